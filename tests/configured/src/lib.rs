//! A crate that has a `sqlx.toml`. Its tests say what that changes.
