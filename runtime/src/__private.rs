//! What expansions of the attribute name; not for use by hand, may change in any release.

pub use crate::inject::{inject, inject_from};
#[cfg(feature = "postgres")]
pub use crate::postgres::{code, inline};
pub use crate::record::{OfBox, OfError, OfOther, Output};
pub use crate::run::{Flavor, Test};
pub use crate::seeds::{Async, Plain};

/// Makes a text of an option.
#[must_use]
pub fn text(text: &'static str) -> String {
    text.to_owned()
}
