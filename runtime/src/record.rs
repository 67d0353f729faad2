//! What the report of a failed test needs to know: its steps with their times, and the error that
//! its body has returned.

use std::error::Error as StdError;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Describe, chain};

/// How long a step takes that is worth a word.
const SLOW: Duration = Duration::from_millis(100);

/// A step of a test's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A provider is chosen.
    Provider,
    /// A server is found, or started.
    Server,
    /// A template is made.
    Template,
    /// A database is cloned.
    Clone,
    /// A test is given its part of a server.
    Claim,
    /// Seeds are applied.
    Seeds,
    /// The body runs.
    Body,
    /// What a test had is made ready for another one.
    Reset,
}

impl Step {
    /// Returns the word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Server => "server",
            Self::Template => "template",
            Self::Clone => "clone",
            Self::Claim => "claim",
            Self::Seeds => "seeds",
            Self::Body => "body",
            Self::Reset => "reset",
        }
    }
}

/// What is known of one test.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The steps in the order in which they have ended, and what each was of.
    steps: Vec<(Step, String, Duration)>,
    describe: Vec<Describe>,
    /// What the body has returned as its error.
    error: Option<String>,
}

tokio::task_local! {
    static CURRENT: Option<Arc<Record>>;
}

impl Record {
    /// Runs a future whose steps are recorded here.
    pub(crate) async fn scope<T>(self: &Arc<Self>, future: impl Future<Output = T>) -> T {
        CURRENT.scope(Some(Arc::clone(self)), future).await
    }

    /// Makes a call whose steps and errors are recorded here.
    pub(crate) fn scope_call<T>(self: &Arc<Self>, call: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(Arc::clone(self)), call)
    }

    /// Has errors put into words by the services that know them.
    pub(crate) fn describe_by(&self, describe: impl Iterator<Item = Describe>) {
        self.known().describe.extend(describe);
    }

    /// Returns the slow steps with their times, for people; nothing if none was slow.
    pub(crate) fn slow_steps(&self) -> String {
        let known = self.known();
        let slow = known.steps.iter().filter(|(_, _, took)| *took >= SLOW);
        let slow = slow.map(|(step, of, took)| {
            let of = if of.is_empty() {
                String::new()
            } else {
                format!(" of {of}")
            };
            format!("{}{of} {:.1} s", step.word(), took.as_secs_f64())
        });
        slow.collect::<Vec<_>>().join(", ")
    }

    /// Returns the error that the body has returned, over several lines.
    pub(crate) fn error(&self) -> Option<String> {
        self.known().error.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the future, so that it records its steps where the caller's are recorded, on whatever
/// thread it runs.
pub(crate) fn carried<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(current(), spans::within_current(future))
}

fn current() -> Option<Arc<Record>> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Runs one step, of a service or of what else it is named after, and records its time.
pub(crate) async fn step<T>(step: Step, of: &str, future: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result = spans::within(step, of, future).await;
    if let Some(record) = current() {
        let done = (step, of.to_owned(), begun.elapsed());
        record.known().steps.push(done);
    }
    result
}

/// The spans of the steps, for subscribers of tracing.
#[cfg(feature = "tracing")]
mod spans {
    use std::future::Future;

    use tracing::{Instrument, Span, info_span};

    use super::Step;

    /// Returns the future within the span of a step.
    pub(super) fn within<T>(
        step: Step,
        of: &str,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = T> {
        let span = match step {
            Step::Provider => info_span!(target: "container_test", "provider", of),
            Step::Server => info_span!(target: "container_test", "server", of),
            Step::Template => info_span!(target: "container_test", "template", of),
            Step::Clone => info_span!(target: "container_test", "clone", of),
            Step::Claim => info_span!(target: "container_test", "claim", of),
            Step::Seeds => info_span!(target: "container_test", "seeds", of),
            Step::Body => info_span!(target: "container_test", "body", of),
            Step::Reset => info_span!(target: "container_test", "reset", of),
        };
        future.instrument(span)
    }

    /// Returns the future within the span of the caller.
    pub(super) fn within_current<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
        future.instrument(Span::current())
    }
}

#[cfg(not(feature = "tracing"))]
mod spans {
    use std::future::Future;

    use super::Step;

    pub(super) fn within<T>(
        _: Step,
        _: &str,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = T> {
        future
    }

    pub(super) fn within_current<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
        future
    }
}

/// Records an error that the test's body returns.
fn record(error: &(dyn StdError + 'static)) {
    if let Some(record) = current() {
        let mut known = record.known();
        known.error = Some(chain(error, &known.describe));
    }
}

/// What a test's body returns. What is an error is found out by which of three methods fits: the
/// first that does, as the compiler looks for it.
#[derive(Debug)]
pub struct Output<'a, T>(pub &'a T);

/// An error, as most are.
pub trait OfError {
    /// Records it.
    fn explain(&self);
}

impl<T, E: StdError + 'static> OfError for &&Output<'_, Result<T, E>> {
    fn explain(&self) {
        if let Err(error) = self.0 {
            record(error);
        }
    }
}

/// A box with an error in it, such as `Box<dyn Error>` and `anyhow::Error`.
pub trait OfBox {
    /// Records what is in it.
    fn explain(&self);
}

impl<T, E: Deref<Target: AsError>> OfBox for &Output<'_, Result<T, E>> {
    fn explain(&self) {
        if let Err(error) = self.0 {
            record(error.as_error());
        }
    }
}

/// An error of any kind.
pub trait AsError {
    /// Returns it.
    fn as_error(&self) -> &(dyn StdError + 'static);
}

impl AsError for dyn StdError {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl AsError for dyn StdError + Send {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl AsError for dyn StdError + Send + Sync {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

/// Anything else.
pub trait OfOther {
    /// Does nothing.
    fn explain(&self);
}

impl<T> OfOther for Output<'_, T> {
    fn explain(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// What is recorded of a body that returns this.
    macro_rules! recorded {
        ($output:expr) => {{
            let record = Arc::new(Record::default());
            record.describe_by([describe as Describe].into_iter());
            let body = async {
                let output = $output;
                (&&&Output(&output)).explain();
            };
            record.scope(body).await;
            record.error()
        }};
    }

    fn describe(error: &(dyn StdError + 'static)) -> Option<String> {
        (error.to_string() == "E42").then(|| "no room\nhint: make some".to_owned())
    }

    fn wrapped() -> Error {
        Error::new("write").because(std::io::Error::other("E42"))
    }

    #[tokio::test]
    async fn errors_of_a_body_are_told_with_their_causes() {
        let told = Some("failed to write\n  because: no room\n    hint: make some".to_owned());
        let error: Result<(), Error> = Err(wrapped());
        assert_eq!(recorded!(error), told);
        let boxed: Result<u8, Box<dyn StdError>> = Err(Box::new(wrapped()));
        assert_eq!(recorded!(boxed), told);
        let sendable: Result<(), Box<dyn StdError + Send + Sync>> = Err(Box::new(wrapped()));
        assert_eq!(recorded!(sendable), told);
        let io: Result<(), std::io::Error> = Err(std::io::Error::other("E42"));
        assert_eq!(recorded!(io).as_deref(), Some("no room\nhint: make some"));
    }

    #[tokio::test]
    async fn what_is_no_error_is_not_told() {
        assert_eq!(recorded!(()), None);
        assert_eq!(recorded!(Ok::<(), Error>(())), None);
        let without_cause: Result<(), u8> = Err(1);
        assert_eq!(recorded!(without_cause), None);
        let text: Result<(), String> = Err("E42".to_owned());
        assert_eq!(recorded!(text), None);
    }

    #[tokio::test]
    async fn slow_steps_are_told_in_the_order_in_which_they_ended() {
        let record = Arc::new(Record::default());
        let sleep = |milliseconds| async move {
            std::thread::sleep(Duration::from_millis(milliseconds));
        };
        let life = async {
            step(Step::Claim, "orders", async {
                step(Step::Template, "", sleep(120)).await;
            })
            .await;
            step(Step::Seeds, "", sleep(1)).await;
            let elsewhere = carried(step(Step::Body, "", sleep(210)));
            tokio::spawn(elsewhere).await
        };
        record.scope(life).await.expect("no panic");
        assert_eq!(
            record.slow_steps(),
            "template 0.1 s, claim of orders 0.1 s, body 0.2 s"
        );
    }
}
