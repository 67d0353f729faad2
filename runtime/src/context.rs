//! A test's context: what was claimed for it.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, PgPool};
use tokio::sync::OnceCell;

use crate::provision::postgres::Finished;
use crate::provision::{keyspace, postgres};
use crate::{Error, FromContext, Result};

/// What one test runs in: its name, its services.
///
/// Extractors get it (see [`FromContext`]), and a test can take it as an argument. `D` stands for
/// the services that the test declares; as an argument, write it without.
///
/// # Examples
///
/// ```
/// use container_test::{TestContext, container_test};
///
/// #[container_test(redis)]
/// async fn knows_its_name(cx: TestContext) {
///     assert!(cx.name().ends_with("knows_its_name"));
/// }
/// ```
pub struct TestContext<D = ()> {
    inner: Arc<Inner>,
    declared: PhantomData<fn() -> D>,
}

struct Inner {
    name: &'static str,
    directory: PathBuf,
    postgres: Option<TestDatabase>,
    redis: Option<keyspace::Claim>,
}

/// The test's database, and the pool that its arguments share.
pub(crate) struct TestDatabase {
    claim: postgres::Claim,
    pool: OnceCell<PgPool>,
}

impl TestDatabase {
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.claim.options()
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection> {
        self.claim.connect().await
    }

    pub(crate) async fn pool(&self) -> &PgPool {
        self.pool.get_or_init(|| self.claim.pool()).await
    }
}

impl<D> TestContext<D> {
    pub(crate) fn new(
        name: &'static str,
        directory: PathBuf,
        postgres: Option<postgres::Claim>,
        redis: Option<keyspace::Claim>,
    ) -> Self {
        let postgres = postgres.map(|claim| TestDatabase {
            claim,
            pool: OnceCell::new(),
        });
        Self {
            inner: Arc::new(Inner {
                name,
                directory,
                postgres,
                redis,
            }),
            declared: PhantomData,
        }
    }

    /// The test's name: module path and function, as the test harness prints it after the
    /// crate's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// A value of any injectable type, such as a type of your own may be made from.
    ///
    /// # Errors
    ///
    /// Whatever keeps the value from being made.
    pub async fn get<T: FromContext<D>>(&self) -> Result<T> {
        T::from_context(self).await
    }

    pub(crate) fn directory(&self) -> &PathBuf {
        &self.inner.directory
    }

    pub(crate) fn postgres(&self) -> Result<&TestDatabase> {
        self.inner
            .postgres
            .as_ref()
            .ok_or_else(|| undeclared("postgres"))
    }

    pub(crate) fn redis(&self) -> Result<&keyspace::Claim> {
        self.inner.redis.as_ref().ok_or_else(|| undeclared("redis"))
    }

    /// The same context, whatever it declares.
    pub(crate) fn share<E>(&self) -> TestContext<E> {
        TestContext {
            inner: Arc::clone(&self.inner),
            declared: PhantomData,
        }
    }

    /// Ends the use of what was claimed, while the test's runtime still runs.
    pub(crate) async fn finish(&self) -> Option<Finished> {
        let postgres = self.inner.postgres.as_ref()?;
        Some(postgres.claim.finish(postgres.pool.get()).await)
    }

    /// Gives everything back. Must come after the end of the test's runtime.
    pub(crate) fn release(self, finished: Option<Finished>) {
        // A body that leaked its context keeps the claims: they end with the process.
        if let Some(inner) = Arc::into_inner(self.inner) {
            if let (Some(postgres), Some(finished)) = (inner.postgres, finished) {
                drop(postgres.pool);
                postgres.claim.release(finished);
            }
            if let Some(redis) = inner.redis {
                redis.release();
            }
        }
    }

    /// Keeps what the test had, for people to look at, and says where it is.
    pub(crate) async fn keep(&self) -> Vec<String> {
        let mut kept = Vec::new();
        if let Some(postgres) = &self.inner.postgres {
            kept.push(postgres.claim.keep().await);
        }
        if let Some(redis) = &self.inner.redis {
            kept.push(redis.url());
        }
        kept
    }

    /// What ran where, a line per service.
    pub(crate) fn places(&self) -> Vec<String> {
        let postgres = self
            .inner
            .postgres
            .as_ref()
            .map(|postgres| postgres.claim.place());
        let redis = self.inner.redis.as_ref().map(keyspace::Claim::place);
        postgres.into_iter().chain(redis).collect()
    }

    /// What the servers logged about this test.
    pub(crate) async fn server_log(&self) -> String {
        match &self.inner.postgres {
            Some(postgres) => postgres.claim.log().await,
            None => String::new(),
        }
    }
}

fn undeclared(service: &str) -> Error {
    Error::new(format!("use the service {service}"))
        .because("the test does not declare it")
        .with_help(format!("add `{service}` to the attribute"))
}

impl<D> Clone for TestContext<D> {
    fn clone(&self) -> Self {
        self.share()
    }
}

impl<D> std::fmt::Debug for TestContext<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestContext")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl<D> FromContext<D> for TestContext {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.share())
    }
}
