//! The tests of this crate inject each client that container-test knows; the guides that show
//! clients are its documentation's examples, so they keep compiling.

#[doc = include_str!("../../../docs/from-sqlx-test.md")]
#[doc = include_str!("../../../docs/from-testcontainers.md")]
#[doc = include_str!("../../../docs/with-diesel.md")]
#[doc = include_str!("../../../docs/with-sea-orm.md")]
pub mod guides {}
