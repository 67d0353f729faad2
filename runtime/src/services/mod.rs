//! Services: what the attribute's words stand for, and what can be injected for them.

pub(crate) mod postgres;
pub(crate) mod redis;
