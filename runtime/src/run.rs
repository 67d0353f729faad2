//! One test's life: the only file that panics.

mod stage;

use std::fmt::Debug;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::process::{ExitCode, Termination};
use std::time::Duration;

pub use self::stage::Flavor;
use self::stage::limited;
pub(crate) use self::stage::{Limit, Outcome, Passed, Stage, live};
use crate::context::TestContext;
use crate::provide::Plan;
use crate::seeds::{Seed, SeedArguments, SeedFunction, SeedOutput};
use crate::service::Service;
use crate::{Error, Result};

/// One annotated test, as its attribute declares it. `D` stands for its services.
pub struct Test<D> {
    plan: Plan,
    timeout: Option<Duration>,
    flavor: Flavor,
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

    /// Sets whether the function has `#[should_panic]`.
    #[must_use]
    pub fn should_panic(mut self, whether: bool) -> Self {
        self.plan.should_panic = whether;
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

    /// Does what [`run`](Self::run) does, for a body that returns a `Result`: an error is returned,
    /// unless the test has a timeout. Then it is printed, since it need not be able to leave its
    /// thread, and the test fails.
    #[track_caller]
    pub fn run_result<T, E, B>(self, body: B) -> Result<T, E>
    where
        T: Termination + Send + 'static,
        E: Debug,
        B: AsyncFnOnce(TestContext<D>) -> Result<Result<T, E>> + Send + 'static,
    {
        self.conclude_result(|stage| stage.on_runtime(async |cx| body(cx.share()).await))
    }

    /// Does what [`run_plain`](Self::run_plain) does, for a call that returns a `Result`, as
    /// [`run_result`](Self::run_result) passes it on.
    #[track_caller]
    pub fn run_plain_result<T, E, C, B>(self, prepare: B) -> Result<T, E>
    where
        T: Termination + Send + 'static,
        E: Debug,
        C: FnOnce() -> Result<T, E>,
        B: AsyncFnOnce(TestContext<D>) -> Result<C> + Send + 'static,
    {
        self.conclude_result(|stage| stage.beside_runtime(async |cx| prepare(cx.share()).await))
    }

    #[track_caller]
    fn conclude<R: Termination>(
        self,
        body: impl FnOnce(&Stage<'_>) -> Result<R> + Send + 'static,
    ) -> ExitCode {
        let (should_panic, name) = (self.plan.should_panic, self.plan.name.clone());
        let Self {
            plan,
            timeout,
            flavor,
            ..
        } = self;
        let body = |stage: &Stage<'_>| body(stage).map(Termination::report);
        let outcome = match timeout {
            None => live(&plan, flavor, &Limit::None, body),
            Some(limit) => limited(limit, move |limit| live(&plan, flavor, limit, body)),
        };
        match outcome {
            Outcome::Completed(code) => code,
            Outcome::Failed(error) if should_panic => {
                // A test that should panic must not pass because of a server that is missing.
                eprintln!("{}", failure(&name, &error));
                ExitCode::FAILURE
            }
            Outcome::Failed(error) => panic!("{}", failure(&name, &error)),
            Outcome::Panicked(panic) => resume_unwind(panic),
        }
    }

    #[track_caller]
    fn conclude_result<T: Termination + Send + 'static, E: Debug>(
        self,
        body: impl FnOnce(&Stage<'_>) -> Result<Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let name = self.plan.name.clone();
        let Self {
            plan,
            timeout,
            flavor,
            ..
        } = self;
        let outcome = match timeout {
            None => live(&plan, flavor, &Limit::None, body),
            Some(limit) => {
                let body = |stage: &Stage<'_>| body(stage).map(printed);
                match limited(limit, move |limit| live(&plan, flavor, limit, body)) {
                    Outcome::Completed(Ok(value)) => Outcome::Completed(Ok(value)),
                    Outcome::Completed(Err(())) => Outcome::Panicked(Box::new("returned an error")),
                    Outcome::Failed(error) => Outcome::Failed(error),
                    Outcome::Panicked(panic) => Outcome::Panicked(panic),
                }
            }
        };
        match outcome {
            Outcome::Completed(returned) => returned,
            Outcome::Failed(error) => panic!("{}", failure(&name, &error)),
            Outcome::Panicked(panic) => resume_unwind(panic),
        }
    }
}

impl<D> Debug for Test<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Test").field(&self.plan.name).finish()
    }
}

/// What is said of a test that fails with an error of ours.
fn failure(name: &str, error: &Error) -> String {
    format!("the test {name} could not run\n\n{}\n", error.report())
}

/// Prints an error that a test has returned, as the test harness does.
fn printed<T, E: Debug>(returned: Result<T, E>) -> Result<T, ()> {
    returned.map_err(|error| eprintln!("Error: {error:?}"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn limited_to_20_ms() -> Test<()> {
        test().timeout(Duration::from_millis(20))
    }

    fn test() -> Test<()> {
        Test::new("run::tests", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn what_a_body_returns_is_returned() {
        assert_eq!(test().run_result(async |_| Ok(Ok::<(), u8>(()))), Ok(()));
        assert_eq!(test().run_result(async |_| Ok(Err::<(), u8>(1))), Err(1));
        let call = async |_| Ok(|| Err::<(), u8>(1));
        assert_eq!(test().run_plain_result(call), Err(1));
        let limited = test().timeout(Duration::from_secs(60));
        assert_eq!(limited.run_result(async |_| Ok(Ok::<(), u8>(()))), Ok(()));
    }

    #[test]
    #[should_panic(expected = "returned an error")]
    fn an_error_that_cannot_leave_its_thread_fails_a_limited_test() {
        let limited = test().timeout(Duration::from_secs(60));
        let _ = limited.run_result(async |_| Ok(Err::<(), _>(std::rc::Rc::new(1))));
    }

    #[test]
    fn a_test_that_should_panic_does_not_if_it_cannot_run() {
        let test = test().should_panic(true);
        let code = test.run(async |_| Err::<(), _>(Error::new("find a server")));
        assert_eq!(code, ExitCode::FAILURE);
    }

    #[test]
    #[should_panic(expected = "it took longer than its timeout of 20ms")]
    fn a_limit_is_real_time_while_the_clock_is_paused() {
        limited_to_20_ms().run(async |_| {
            tokio::time::pause();
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while std::time::Instant::now() < end {
                tokio::task::yield_now().await;
            }
            Ok(())
        });
    }

    #[test]
    #[should_panic(expected = "it blocks its thread")]
    fn an_async_body_that_blocks_does_not_end_and_fails() {
        limited_to_20_ms().run(async |_| {
            loop {
                thread::park();
            }
            #[allow(unreachable_code, reason = "the type of the body")]
            Ok(())
        });
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
