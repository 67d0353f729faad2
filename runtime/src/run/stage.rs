//! What a body runs in: its services, its runtime, its limit.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::context::{Held, TestContext};
use crate::process::Process;
use crate::provide::Plan;
use crate::record::{self, Record, Step};
use crate::service::Returned;
use crate::{Error, Result, report, seeds, timeline};

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

/// What a body runs in, once the services are provided.
pub(crate) struct Stage<'a> {
    plan: &'a Plan,
    process: &'a Arc<Process>,
    cx: &'a TestContext,
    runtime: &'a Runtime,
    flavor: Flavor,
    limit: &'a Limit,
    record: &'a Arc<Record>,
}

impl Stage<'_> {
    /// Seeds, and runs an async body on the runtime.
    pub(crate) fn on_runtime<R>(
        &self,
        body: impl AsyncFnOnce(TestContext) -> Result<R>,
    ) -> Result<R> {
        self.seeded(async |cx| {
            let body = within(self.limit, self.process, body(cx));
            record::step(Step::Body, "", body).await
        })
    }

    fn seeded<R>(&self, then: impl AsyncFnOnce(TestContext) -> Result<R>) -> Result<R> {
        self.runtime.block_on(self.record.scope(async {
            if !self.plan.seeds.is_empty() {
                record::step(Step::Seeds, "", seeds::run(self.cx, &self.plan.seeds)).await?;
            }
            then(self.cx.share()).await
        }))
    }

    /// Seeds, has `prepare` make a call on the runtime, and makes the call outside of it: the call
    /// may block, on a runtime of its own as well.
    pub(crate) fn beside_runtime<R, C: FnOnce() -> R>(
        &self,
        prepare: impl AsyncFnOnce(TestContext) -> Result<C>,
    ) -> Result<R> {
        let (began, call) = self.seeded(async |cx| {
            let began = Instant::now();
            let call = within(self.limit, self.process, prepare(cx)).await?;
            Ok((began, call))
        })?;
        let call = || {
            self.record
                .scope_call(|| record::step_call(Step::Body, "", call))
        };
        let returned = match self.flavor {
            Flavor::CurrentThread => driven(self.runtime, call)?,
            // Its own threads drive it.
            Flavor::MultiThread { .. } => call(),
        };
        match self.limit {
            Limit::Time(limit, _) if began.elapsed() > *limit => Err(timed_out(*limit)),
            _ => Ok(returned),
        }
    }
}

/// Makes a call while another thread drives the runtime: what the arguments have started there
/// goes on.
fn driven<R>(runtime: &Runtime, call: impl FnOnce() -> R) -> Result<R> {
    thread::scope(|scope| {
        let (called, until_called) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("test runtime".to_owned())
            .spawn_scoped(scope, move || {
                // An error says that the sender is gone: the call has ended.
                let _ = runtime.block_on(until_called);
            })
            .map_err(|error| Error::new("start the thread of the test's runtime").because(error))?;
        let returned = call();
        drop(called);
        Ok(returned)
    })
}

/// Provides what is declared, runs the body, and gives everything back.
pub(crate) fn live<R: Passed>(
    plan: &Plan,
    flavor: Flavor,
    limit: &Limit,
    body: impl FnOnce(&Stage<'_>) -> Result<R>,
) -> Outcome<R> {
    let process = Process::current();
    if let Err(error) = timeline::open(&process.config) {
        return Outcome::Failed(error);
    }
    let mut span = timeline::current().map(|timeline| timeline.test(&plan.name));
    let record = Arc::new(Record::new(span.as_ref()));
    let runtime = match runtime(flavor) {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Failed(error),
    };
    let cx = match runtime.block_on(record.scope(plan.provide(process))) {
        Ok(cx) => cx,
        Err(error) => {
            report_steps(&record);
            return Outcome::Failed(error);
        }
    };
    record.describe_by(cx.slots().iter().map(|held| held.describe_error));
    let stage = Stage {
        plan,
        process,
        cx: &cx,
        runtime: &runtime,
        flavor,
        limit,
        record: &record,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&stage)));
    if let Limit::Time(_, events) = limit {
        let _ = events.send(Event::BodyEnded);
    }
    let outcome = match outcome {
        Ok(Ok(value)) => Outcome::Completed(value),
        Ok(Err(error)) => Outcome::Failed(error),
        Err(panic) => Outcome::Panicked(panic),
    };
    let failed = !matches!(&outcome, Outcome::Completed(value) if value.passed());
    let expected = plan.should_panic && matches!(outcome, Outcome::Panicked(_));
    if let Some(span) = span.as_mut().filter(|_| !failed || expected) {
        span.passed();
    }
    let retained = failed && process.config.retain_failed();
    runtime.block_on(record.scope(async {
        if failed {
            report_failure(&cx, &record, retained).await;
        }
        cx.finish(if retained {
            Returned::Retained
        } else {
            Returned::Clean
        })
        .await;
    }));
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

impl<T: 'static, E> Passed for Result<T, E> {
    fn passed(&self) -> bool {
        self.as_ref().is_ok_and(|value| {
            let value: &dyn Any = value;
            value
                .downcast_ref::<ExitCode>()
                .is_none_or(|code| *code == ExitCode::SUCCESS)
        })
    }
}

/// Runs a test on a thread of its own, which is left alone if its body blocks for too long.
pub(super) fn limited<R: Send + 'static>(
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

fn runtime(flavor: Flavor) -> Result<Runtime> {
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

/// Prints what a failed test ran on, and how to look at it if it is retained.
async fn report_failure(cx: &TestContext, record: &Record, retained: bool) {
    if let Some(error) = record.error() {
        report::failed_test(&format!("the body returned: {error}"));
    }
    for held in cx.slots() {
        let at = held.location().map(|at| format!("\nat {at}"));
        let description = held.description();
        report::failed_test(&format!("ran on {description}{}", at.unwrap_or_default()));
        if retained {
            report_retained(held);
        }
        let log = Arc::clone(&held.slot).log();
        let log = cx.process().background.run(async { Ok(log.await) });
        report::server_log(held.name, &log.await.unwrap_or_default());
    }
    report_steps(record);
}

/// Prints how to look at what is retained, and how to remove it.
fn report_retained(held: &Held) {
    if let Some(look) = held.inspection() {
        report::failed_test(&format!("retained: {look}"));
    }
    if let Some(removal) = held.slot.removal() {
        report::failed_test(&format!("to remove it: {removal}"));
    }
}

fn report_steps(record: &Record) {
    let slow = record.slow_steps();
    if !slow.is_empty() {
        report::failed_test(&format!("slow steps: {slow}"));
    }
}
