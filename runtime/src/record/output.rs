//! The error that a test's body returns, whatever its type.

use std::error::Error as StdError;
use std::ops::Deref;

use super::record;

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
    use std::sync::Arc;

    use super::super::Record;
    use super::*;
    use crate::Error;
    use crate::error::Describe;

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
}
