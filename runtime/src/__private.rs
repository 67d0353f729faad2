//! What expansions of the attribute name; not for use by hand, may change in any release.

pub use crate::declaration::{Flavor, Isolation, Migrations, PostgresOptions, RedisOptions, Test};
pub use crate::inject::inject;
pub use crate::run::run;
pub use crate::seeds::Seed;
