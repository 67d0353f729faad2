//! One test's life: the only file that panics.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::context::TestContext;
use crate::process::Process;
use crate::provide::Plan;
use crate::seeds::{self, Seed, SeedArguments, SeedFunction, SeedOutput};
use crate::service::{Returned, Service};
use crate::{Error, Result, report};

/// How long blocking work that a test left behind may take before it is left alone.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// How much longer than its timeout a body may take that blocks its thread.
const GRACE: Duration = Duration::from_secs(1);

/// The tokio runtime that a test's body runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// `flavor = "current_thread"`, the default.
    CurrentThread,
    /// `flavor = "multi_thread"`, with `worker_threads` (default: one per core).
    MultiThread {
        /// Number of worker threads.
        worker_threads: Option<usize>,
    },
}

/// One annotated test, as its attribute declares it. `D` stands for its services.
pub struct Test<D> {
    plan: Plan,
    timeout: Option<Duration>,
    flavor: Flavor,
    should_panic: bool,
    declared: PhantomData<fn() -> D>,
}

impl<D: 'static> Test<D> {
    /// Returns a test that declares nothing: its name, and the directory of its `Cargo.toml`.
    #[must_use]
    pub fn new(name: &'static str, manifest_dir: &'static str) -> Self {
        Self {
            plan: Plan::new(name.to_owned(), manifest_dir.to_owned()),
            timeout: None,
            flavor: Flavor::CurrentThread,
            should_panic: false,
            declared: PhantomData,
        }
    }

    /// Declares a service under a name, with the options that `set` sets.
    #[must_use]
    pub fn service<S: Service>(mut self, name: &'static str, set: impl FnOnce(&mut S)) -> Self {
        let mut service = S::default();
        set(&mut service);
        self.plan.declare(name, service);
        self
    }

    /// Declares a seed file of a service, relative to the crate's directory.
    #[must_use]
    pub fn seed_file(mut self, service: &'static str, path: &'static str) -> Self {
        let path = path.into();
        self.plan.seeds.push(Seed::File { service, path });
        self
    }

    /// Declares a seed function, whose arguments come from the services that `E` stands for.
    #[must_use]
    pub fn seed_function<E, A, F>(mut self, name: &'static str, function: F) -> Self
    where
        E: 'static,
        F: SeedFunction<A, Output: SeedOutput>,
        A: SeedArguments<E> + 'static,
    {
        self.plan
            .seeds
            .push(Seed::function::<E, A, F>(name, function));
        self
    }

    /// Limits the time that the body may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Chooses the tokio runtime of the body.
    #[must_use]
    pub fn flavor(mut self, flavor: Flavor) -> Self {
        self.flavor = flavor;
        self
    }

    /// Says that the function has `#[should_panic]`.
    #[must_use]
    pub fn should_panic(mut self) -> Self {
        self.should_panic = true;
        self
    }

    /// Runs the test: provides what it declares, seeds, calls the body, cleans up, and passes the
    /// outcome on.
    #[track_caller]
    pub fn run<R, B>(self, body: B) -> ExitCode
    where
        R: Termination,
        B: AsyncFnOnce(TestContext<D>) -> Result<R> + Send + 'static,
    {
        let Self {
            plan,
            timeout,
            flavor,
            should_panic,
            ..
        } = self;
        let name = plan.name.clone();
        let body = async |cx: TestContext| body(cx.share()).await.map(Termination::report);
        let outcome = match timeout {
            None => live(&plan, flavor, &Limit::None, body),
            Some(limit) => limited(limit, move |limit| live(&plan, flavor, limit, body)),
        };
        match outcome {
            Outcome::Completed(code) => code,
            Outcome::Failed(error) => fail(&name, should_panic, &error),
            Outcome::Panicked(panic) => resume_unwind(panic),
        }
    }
}

impl<D> std::fmt::Debug for Test<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Test").field(&self.plan.name).finish()
    }
}

/// Fails the test with an error of ours.
#[track_caller]
fn fail(name: &str, should_panic: bool, error: &Error) -> ExitCode {
    let text = format!("the test {name} could not run\n\n{}\n", error.report());
    // A test that should panic must not pass because of a server that is missing.
    if should_panic {
        eprintln!("{text}");
        return ExitCode::FAILURE;
    }
    panic!("{text}");
}

/// How a body ended.
pub(crate) enum Outcome<R> {
    Completed(R),
    Failed(Error),
    Panicked(Box<dyn Any + Send>),
}

/// Longest time that the body may take.
pub(crate) enum Limit {
    None,
    /// The time, and where to send that the body starts and ends.
    Time(Duration, Sender<Event>),
}

/// What the thread that waits for a limited body gets to know.
pub(crate) enum Event {
    BodyStarted,
    BodyEnded,
}

/// Provides what is declared, seeds, calls the body, and gives everything back.
pub(crate) fn live<R: Passed>(
    plan: &Plan,
    flavor: Flavor,
    limit: &Limit,
    body: impl AsyncFnOnce(TestContext) -> Result<R>,
) -> Outcome<R> {
    let process = Process::current();
    let runtime = match runtime(flavor) {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Failed(error),
    };
    let cx = match runtime.block_on(plan.provide(process)) {
        Ok(cx) => cx,
        Err(error) => return Outcome::Failed(error),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            seeds::run(&cx, &plan.seeds).await?;
            within(limit, process, body(cx.share())).await
        })
    }));
    if let Limit::Time(_, events) = limit {
        let _ = events.send(Event::BodyEnded);
    }
    let outcome = match outcome {
        Ok(Ok(value)) => Outcome::Completed(value),
        Ok(Err(error)) => Outcome::Failed(error),
        Err(panic) => Outcome::Panicked(panic),
    };
    let failed = !matches!(&outcome, Outcome::Completed(value) if value.passed());
    let retained = failed && process.config.retain_failed();
    runtime.block_on(async {
        if failed {
            report_failure(&cx, retained).await;
        }
        cx.finish().await;
    });
    let asked_to_end = Instant::now();
    runtime.shutdown_timeout(LEFT_BEHIND);
    cx.release(match retained {
        true => Returned::Retained,
        false if asked_to_end.elapsed() < LEFT_BEHIND => Returned::Clean,
        // What still runs may use what it was given.
        false => Returned::Dirty,
    });
    outcome
}

/// What a body returns, and whether it passed.
pub(crate) trait Passed {
    fn passed(&self) -> bool;
}

impl Passed for ExitCode {
    fn passed(&self) -> bool {
        *self == ExitCode::SUCCESS
    }
}

/// Runs a test on a thread of its own, which is left alone if its body blocks for too long.
fn limited<R: Send + 'static>(
    limit: Duration,
    live: impl FnOnce(&Limit) -> Outcome<R> + Send + 'static,
) -> Outcome<R> {
    let (events, happened) = mpsc::channel();
    let (result, finished) = mpsc::sync_channel(1);
    let name = thread::current().name().unwrap_or("test").to_owned();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        let _ = result.send(live(&Limit::Time(limit, events)));
    });
    if let Err(error) = spawned {
        return Outcome::Failed(Error::new("start the test's thread").because(error));
    }
    // What comes before the body has limits of its own.
    let in_time = happened.recv().is_err()
        || !matches!(
            happened.recv_timeout(limit + GRACE),
            Err(mpsc::RecvTimeoutError::Timeout)
        );
    if !in_time {
        return Outcome::Failed(
            timed_out(limit).note("it blocks its thread, which is left alone; the process ends it"),
        );
    }
    finished.recv().unwrap_or_else(|error| {
        Outcome::Failed(Error::new("run the test on a thread of its own").because(error))
    })
}

/// Limits a body by the clock of the machine: the test may have paused that of its runtime.
async fn within<R>(
    limit: &Limit,
    process: &Arc<Process>,
    body: impl Future<Output = Result<R>>,
) -> Result<R> {
    let Limit::Time(limit, events) = limit else {
        return body.await;
    };
    let _ = events.send(Event::BodyStarted);
    let time = *limit;
    let timer = process.background.run(async move {
        tokio::time::sleep(time).await;
        Ok(())
    });
    tokio::select! {
        biased;
        result = body => result,
        _ = timer => Err(timed_out(time)),
    }
}

fn timed_out(limit: Duration) -> Error {
    Error::new("finish the test's body")
        .because(format!("it took longer than its timeout of {limit:?}"))
        .with_help("give it more time with `timeout = \"…\"`, or see what it waits for")
}

pub(crate) fn runtime(flavor: Flavor) -> Result<Runtime> {
    let mut builder = match flavor {
        Flavor::CurrentThread => Builder::new_current_thread(),
        Flavor::MultiThread { worker_threads } => {
            let mut builder = Builder::new_multi_thread();
            worker_threads.map(|number| builder.worker_threads(number));
            builder
        }
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Error::new("start the test's tokio runtime").because(error))
}

/// Says what a failed test ran on, and how to reach it if it is retained.
async fn report_failure(cx: &TestContext, retained: bool) {
    for held in cx.slots() {
        report::ran_on(&held.description());
        if retained && let Some(address) = held.slot.address() {
            report::retained(&address);
        }
        let log = Arc::clone(&held.slot).log();
        let log = cx.process().background.run(async { Ok(log.await) });
        report::server_log(held.name, &log.await.unwrap_or_default());
    }
}
