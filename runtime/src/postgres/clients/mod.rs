//! The clients that a test's database can be injected as.

mod sqlx;
