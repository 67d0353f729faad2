//! What the report of a failed test needs to know: its steps with their times, and the error that
//! its body has returned.

mod output;

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::Either;

pub use self::output::{OfBox, OfError, OfOther, Output};
use crate::error::{Describe, chain};
use crate::timeline::{self, Parent, Span};

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
    /// A database is dropped.
    Drop,
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
            Self::Drop => "drop",
        }
    }
}

/// What is known of one test.
#[derive(Debug, Default)]
pub(crate) struct Record {
    known: Mutex<Known>,
    /// The test's place in the timeline.
    place: Parent,
}

#[derive(Debug, Default)]
struct Known {
    /// The slow steps in the order in which they have ended, and what each was of.
    slow: Vec<(Step, String, Duration)>,
    describe: Vec<Describe>,
    /// What the body has returned as its error.
    error: Option<String>,
}

/// What a step belongs to.
#[derive(Clone, Default)]
struct Current {
    record: Option<Arc<Record>>,
    parent: Parent,
}

tokio::task_local! {
    static CURRENT: Current;
}

impl Record {
    /// Returns the record of a test, with its place in the timeline if there is one.
    pub(crate) fn new(test: Option<&Span>) -> Self {
        Self {
            known: Mutex::default(),
            place: test.map(Span::parent).unwrap_or_default(),
        }
    }

    /// Returns the future, so that its steps are recorded here. It is on the heap, as steps are.
    pub(crate) fn scope<T>(
        self: &Arc<Self>,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = T> {
        CURRENT.scope(self.current(), Box::pin(future))
    }

    /// Makes a call whose steps and errors are recorded here.
    pub(crate) fn scope_call<T>(self: &Arc<Self>, call: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.current(), call)
    }

    fn current(self: &Arc<Self>) -> Current {
        Current {
            record: Some(Arc::clone(self)),
            parent: self.place.clone(),
        }
    }

    /// Has errors put into words by the services that know them.
    pub(crate) fn describe_by(&self, describe: impl Iterator<Item = Describe>) {
        self.known().describe.extend(describe);
    }

    /// Returns the slow steps with their times, for people; nothing if none was slow.
    pub(crate) fn slow_steps(&self) -> String {
        let known = self.known();
        let slow = known.slow.iter().map(|(step, of, took)| {
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
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the future, so that it records its steps where the caller's are recorded, on whatever
/// thread it runs.
pub(crate) fn carried<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(current(), spans::within_current(future))
}

/// Returns the future, so that the timeline has its steps as work that comes after a test.
pub(crate) fn after<T: 'static>(test: &str, future: BoxFuture<T>) -> BoxFuture<T> {
    if timeline::current().is_none() {
        return future;
    }
    let current = Current {
        record: None,
        parent: Parent::after(test),
    };
    Box::pin(CURRENT.scope(current, future))
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn current() -> Current {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs one step, of a service or of what else it is named after, and records its time.
///
/// The future is on the heap: around it there are others, and steps have steps in them. Without
/// optimisation each would be copied into the next, and every test would touch as much of its stack.
pub(crate) fn step<'a, T>(
    step: Step,
    of: &'a str,
    future: impl Future<Output = T> + 'a,
) -> impl Future<Output = T> + 'a {
    let future = Box::pin(future);
    async move {
        let begun = Instant::now();
        let span = begin(step, of);
        let result = within(span.as_ref(), spans::within(step, of, future)).await;
        end(step, of, begun, span);
        result
    }
}

/// Makes a call that is one step, and records its time.
pub(crate) fn step_call<T>(step: Step, of: &str, call: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let span = begin(step, of);
    let result = spans::within_call(step, of, call);
    end(step, of, begun, span);
    result
}

fn begin(step: Step, of: &str) -> Option<Span> {
    let timeline = timeline::current()?;
    Some(timeline.step(step.word(), of, current().parent))
}

fn end(step: Step, of: &str, begun: Instant, span: Option<Span>) {
    let took = begun.elapsed();
    if took >= SLOW
        && let Some(record) = current().record
    {
        record.known().slow.push((step, of.to_owned(), took));
    }
    if let Some(mut span) = span {
        span.completed();
    }
}

/// Returns the future, so that the timeline has its steps within this one.
fn within<T>(span: Option<&Span>, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let Some(span) = span else {
        return Either::Left(future);
    };
    let current = Current {
        parent: span.parent(),
        ..current()
    };
    Either::Right(CURRENT.scope(current, future))
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
        let span = span(step, of);
        async move {
            let entered = entered(step, &span);
            future.instrument(entered).await
        }
    }

    /// Makes a call within the span of a step.
    pub(super) fn within_call<T>(step: Step, of: &str, call: impl FnOnce() -> T) -> T {
        let span = span(step, of);
        entered(step, &span).in_scope(call)
    }

    /// Returns the span that events of a step are in. Those of a test's body are in its own spans only,
    /// as in any other test: tracing-test finds events by the outermost span.
    fn entered(step: Step, span: &Span) -> Span {
        match step {
            Step::Body => Span::none(),
            _ => span.clone(),
        }
    }

    fn span(step: Step, of: &str) -> Span {
        match step {
            Step::Provider => info_span!(target: "container_test", "provider", of),
            Step::Server => info_span!(target: "container_test", "server", of),
            Step::Template => info_span!(target: "container_test", "template", of),
            Step::Clone => info_span!(target: "container_test", "clone", of),
            Step::Claim => info_span!(target: "container_test", "claim", of),
            Step::Seeds => info_span!(target: "container_test", "seeds", of),
            Step::Body => info_span!(target: "container_test", "body", of),
            Step::Reset => info_span!(target: "container_test", "reset", of),
            Step::Drop => info_span!(target: "container_test", "drop", of),
        }
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

    pub(super) fn within_call<T>(_: Step, _: &str, call: impl FnOnce() -> T) -> T {
        call()
    }

    pub(super) fn within_current<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
        future
    }
}

/// Records an error that the test's body returns.
fn record(error: &(dyn StdError + 'static)) {
    if let Some(record) = current().record {
        let mut known = record.known();
        known.error = Some(chain(error, &known.describe));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
