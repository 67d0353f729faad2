//! Injection by argument type.

use crate::{Result, TestContext};

/// A value that a test, or a seed function, can take as an argument.
///
/// Implement it for your own types (a repository, a service, a running HTTP server): an
/// annotated test calls [`from_context`](Self::from_context) once per argument, in the order
/// of the arguments, after migrations and seeds, on the runtime that the test's body runs on.
/// What the value holds is dropped with the body.
///
/// `D` stands for the services that a test declares. An implementation that needs one asks for
/// it by [`Declares`], so that a test without it does not compile.
///
/// # Examples
///
/// ```
/// use container_test::{Declares, FromContext, Postgres, Result, TestContext, sqlx::PgPool};
///
/// struct Users {
///     pool: PgPool,
/// }
///
/// impl<D: Declares<Postgres>> FromContext<D> for Users {
///     async fn from_context(cx: &TestContext<D>) -> Result<Self> {
///         Ok(Users { pool: cx.get().await? })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected into a test",
    label = "not an injectable type",
    note = "injectable are `PgPool`, `PoolConnection<Postgres>`, `PgConnection`, `PgConnectOptions`, `container_test::Database`, `redis::Client`, `MultiplexedConnection`, `ConnectionManager`, `container_test::Keyspace` and `container_test::TestContext`",
    note = "for a type of your own, implement `container_test::FromContext`"
)]
// Tests run on the thread that blocks on them: the futures need not be `Send`.
#[allow(async_fn_in_trait)]
pub trait FromContext<D>: Sized {
    /// Makes the value for one test.
    ///
    /// # Errors
    ///
    /// Whatever keeps the value from being made; the test fails with it before its body runs.
    async fn from_context(cx: &TestContext<D>) -> Result<Self>;
}

/// Says that a test declares the service `S`; implemented by the attribute's expansion.
#[diagnostic::on_unimplemented(
    message = "this needs `{S}`, which the test does not declare",
    label = "needs a service that is not declared",
    note = "add the service to the attribute: `#[container_test(postgres)]` for PostgreSQL, `#[container_test(redis)]` for Redis"
)]
pub trait Declares<S> {}

/// Makes one argument: the call that expansions generate, with the argument's span.
pub async fn inject<D, T: FromContext<D>>(cx: &TestContext<D>) -> Result<T> {
    T::from_context(cx).await
}
