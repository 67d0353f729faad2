//! What people are told.

#[cfg(feature = "testcontainers")]
mod bars;
#[cfg(feature = "testcontainers")]
mod pull;

use std::future::Future;
use std::io::Write;
use std::time::Duration;

#[cfg(feature = "testcontainers")]
pub(crate) use self::pull::Pull;

/// How long something takes before people are told what is waited for.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// Prints what takes long, past the output capture of the test harness.
pub(crate) fn progress(text: &str) {
    let say = || {
        // If this fails, there is no terminal to write to.
        let _ = writeln!(std::io::stderr(), "container-test: {text}");
    };
    #[cfg(feature = "testcontainers")]
    bars::above(say);
    #[cfg(not(feature = "testcontainers"))]
    say();
}

/// Waits for a future, and says once what is waited for if that takes long.
pub(crate) fn waiting<T>(
    what: impl FnOnce() -> String,
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    waiting_for(SILENCE, move || progress(&what()), future)
}

/// The future is on the heap: it must not make that of those who wait as large.
fn waiting_for<T>(
    silence: Duration,
    say: impl FnOnce(),
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    let mut future = Box::pin(future);
    async move {
        tokio::select! {
            biased;
            result = &mut future => return result,
            () = tokio::time::sleep(silence) => say(),
        }
        future.await
    }
}

/// Prints one fact about a failed test, within the output of the test.
pub(crate) fn failed_test(fact: &str) {
    eprintln!("container-test: {}", fact.trim_end().replace('\n', "\n  "));
}

/// Repeats what a server logged about a failed test.
pub(crate) fn server_log(service: &str, log: &str) {
    if !log.trim().is_empty() {
        eprintln!(
            "container-test: {service} logged about this test:\n{}",
            log.trim_end()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_takes_long_is_told_once_and_what_does_not_is_not() {
        let told = Cell::new(0);
        let wait = |milliseconds| {
            let told = &told;
            let say = move || told.set(told.get() + 1);
            let future = async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                7
            };
            waiting_for(Duration::from_millis(40), say, future)
        };
        assert_eq!((wait(0).await, told.get()), (7, 0));
        assert_eq!((wait(150).await, told.get()), (7, 1));
    }
}
