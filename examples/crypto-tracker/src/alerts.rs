//! Price alerts: who wants to hear when which price crosses which threshold.

mod alert;
mod repository;
#[cfg(test)]
mod tests;

pub use alert::{Alert, AlertKind, NewAlert, UnknownAlertKind};
pub use repository::{AlertError, AlertRepository};
