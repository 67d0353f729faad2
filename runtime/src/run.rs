//! One test's life: the only file that panics.

mod stage;

use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use self::stage::limited;
pub(crate) use self::stage::{Limit, Outcome, Passed, Stage, live};
use crate::context::TestContext;
use crate::provide::Plan;
use crate::seeds::{Seed, SeedArguments, SeedFunction, SeedOutput};
use crate::service::Service;
use crate::{Error, Result};

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
    pub fn seed_function<E, A, K, F>(mut self, name: &'static str, function: F) -> Self
    where
        E: 'static,
        F: SeedFunction<A, K, Output: SeedOutput>,
        A: SeedArguments<E> + 'static,
        K: 'static,
    {
        self.plan
            .seeds
            .push(Seed::function::<E, A, K, F>(name, function));
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

    /// Runs the test: provides what it declares, seeds, calls the async body, cleans up, and passes
    /// the outcome on.
    #[track_caller]
    pub fn run<R, B>(self, body: B) -> ExitCode
    where
        R: Termination,
        B: AsyncFnOnce(TestContext<D>) -> Result<R> + Send + 'static,
    {
        self.conclude(|stage| stage.on_runtime(async |cx| body(cx.share()).await))
    }

    /// Runs a test whose body is not async: `prepare` makes the arguments, and the call that it
    /// returns is made outside of any runtime.
    #[track_caller]
    pub fn run_plain<R, C, B>(self, prepare: B) -> ExitCode
    where
        R: Termination,
        C: FnOnce() -> R,
        B: AsyncFnOnce(TestContext<D>) -> Result<C> + Send + 'static,
    {
        self.conclude(|stage| stage.beside_runtime(async |cx| prepare(cx.share()).await))
    }

    #[track_caller]
    fn conclude<R: Termination>(
        self,
        body: impl FnOnce(&Stage<'_>) -> Result<R> + Send + 'static,
    ) -> ExitCode {
        let Self {
            plan,
            timeout,
            flavor,
            should_panic,
            ..
        } = self;
        let name = plan.name.clone();
        let body = |stage: &Stage<'_>| body(stage).map(Termination::report);
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn limited_to_20_ms() -> Test<()> {
        let test = Test::new("run::tests", env!("CARGO_MANIFEST_DIR"));
        test.timeout(Duration::from_millis(20))
    }

    #[test]
    #[should_panic(expected = "it took longer than its timeout of 20ms")]
    fn a_plain_body_that_ends_too_late_fails() {
        limited_to_20_ms().run_plain(async |_| Ok(|| thread::sleep(Duration::from_millis(40))));
    }

    #[test]
    #[should_panic(expected = "it blocks its thread")]
    fn a_plain_body_that_does_not_end_fails() {
        limited_to_20_ms().run_plain(async |_| {
            Ok(|| {
                loop {
                    thread::park();
                }
            })
        });
    }

    #[test]
    #[should_panic(expected = "it took longer than its timeout of 20ms")]
    fn the_arguments_of_a_plain_body_count_as_its_time() {
        limited_to_20_ms().run_plain(async |_| {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(|| {})
        });
    }
}
