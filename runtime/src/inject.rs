//! Injection by argument type.

use crate::context::{Held, TestContext};
use crate::service::Service;
use crate::{Error, Result};

/// A value that a test, or a seed function, can take as an argument.
///
/// Implement it for your own types (a repository, a service, a running HTTP server): an annotated
/// test calls [`from_context`](Self::from_context) once per argument, in the order of the
/// arguments, after migrations and seeds, on the runtime that the test's body runs on. What the
/// value holds is dropped with the body.
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
    note = "injectable are `PgPool`, `PoolConnection<Postgres>`, `PgConnection`, `PgConnectOptions`, `PgPoolOptions`, `container_test::Database`, `redis::Client`, `MultiplexedConnection`, `ConnectionManager`, `container_test::Keyspace`, `container_test::Container` and `container_test::TestContext`",
    // A line for each client: `tests/tests/ui.rs` looks for their features.
    note = "a type of another client takes a feature of container-test:\n\
        sqlx 0.9: `postgres`, sqlx 0.8: `sqlx-0_8`\n\
        sea_orm::DatabaseConnection of sea-orm 2: `sea-orm-2`, of sea-orm 1.1: `sea-orm-1`\n\
        tokio_postgres::Client, Config: `tokio-postgres`\n\
        deadpool_postgres::Pool: `deadpool-postgres`\n\
        bb8::Pool<bb8_postgres::PostgresConnectionManager<NoTls>>: `bb8-postgres`\n\
        diesel::PgConnection, its r2d2 pool: `diesel`\n\
        diesel_async::AsyncPgConnection, its deadpool and bb8 pools: `diesel-async`\n\
        redis 1: `redis`, redis 0.32: `redis-0_32`\n\
        deadpool_redis::Pool: `deadpool-redis`\n\
        bb8::Pool<bb8_redis::RedisConnectionManager>: `bb8-redis`\n\
        fred::clients::Client, Pool: `fred`",
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

/// A test declares the service `S`, once; implemented by the attribute's expansion.
#[diagnostic::on_unimplemented(
    message = "this needs `{S}`, which the test does not declare",
    label = "needs a service that is not declared",
    note = "add the service to the attribute: `#[container_test(postgres)]` for PostgreSQL, `#[container_test(redis)]` for Redis, `#[container_test(container(…))]` for a container, `#[container_test(my_crate::Nats)]` for any other type"
)]
pub trait Declares<S> {
    /// Name of the declaration; empty for the only one of its kind, looked up when the test runs.
    const NAME: &'static str;
}

/// A context whose services are looked up when the test runs.
impl<S: Service> Declares<S> for () {
    const NAME: &'static str = "";
}

impl<D> TestContext<D> {
    /// Makes a value of any injectable type, such as a type of your own is made from.
    ///
    /// # Errors
    ///
    /// Whatever keeps the value from being made. Where the context is a test's argument (without
    /// `D`), also that the test declares no such service, or several.
    pub async fn get<T: FromContext<D>>(&self) -> Result<T> {
        T::from_context(self).await
    }

    /// Returns what the test has of a service: for implementations of [`FromContext`] by services
    /// and clients.
    ///
    /// # Errors
    ///
    /// Where the context is a test's argument (without `D`): if the test declares no such service,
    /// or several.
    pub fn slot<S: Service>(&self) -> Result<&S::Slot>
    where
        D: Declares<S>,
    {
        let of_service = |held: &&Held| held.slot_of::<S>().is_some();
        let mut found = self.slots().iter().filter(of_service);
        let name = <D as Declares<S>>::NAME;
        let chosen = if name.is_empty() {
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => return Err(self.several::<S>()),
                (chosen, _) => chosen,
            }
        } else {
            found.find(|held| held.name == name)
        };
        chosen
            .and_then(|held| held.slot_of::<S>())
            .ok_or_else(|| undeclared(S::NAME))
    }

    fn several<S: Service>(&self) -> Error {
        let of_service = |held: &&Held| held.slot_of::<S>().is_some();
        let names: Vec<&str> = self
            .slots()
            .iter()
            .filter(of_service)
            .map(|held| held.name)
            .collect();
        Error::new(format!("choose a {} service", S::NAME))
            .because(format!("the test declares several: {}", names.join(", ")))
            .with_help(format!(
                "take the value as an argument that says which one: `#[from({})]`",
                names[0]
            ))
    }
}

fn undeclared(service: &str) -> Error {
    Error::new(format!("use the service {service}"))
        .because("the test does not declare it")
        .with_help(format!("add `{service}` to the attribute"))
}

impl<D> FromContext<D> for TestContext {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.share())
    }
}

/// Makes one argument: the call that expansions generate, with the argument's span.
#[doc(hidden)]
pub async fn inject<D, T: FromContext<D>>(cx: &TestContext<D>) -> Result<T> {
    T::from_context(cx).await
}

/// Makes one argument that names its service by `#[from(…)]`.
#[doc(hidden)]
pub async fn inject_from<E, D, T: FromContext<E>>(cx: &TestContext<D>) -> Result<T> {
    T::from_context(&cx.share()).await
}
