//! What expansions of the attribute name; not for use by hand, may change in any release.

use crate::Result;
pub use crate::inject::{inject, inject_from};
#[cfg(feature = "postgres")]
pub use crate::postgres::{code, inline};
use crate::process::Process;
pub use crate::provider::Examined;
pub use crate::record::{OfBox, OfError, OfOther, Output};
pub use crate::run::{Flavor, Test};
pub use crate::seeds::{Async, Plain};
use crate::service::Service;

/// Examines which providers of a service can be used, for the command line.
#[doc(hidden)]
pub async fn examine<S: Service>(service: &S) -> Result<Vec<Examined>> {
    Process::current().examine(service).await
}

/// Makes a text of an option.
#[must_use]
pub fn text(text: &'static str) -> String {
    text.to_owned()
}
