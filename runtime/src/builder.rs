//! The builder: services for what is no `#[test]`.

use std::sync::Arc;

use crate::context::TestContext;
use crate::inject::FromContext;
use crate::process::Process;
use crate::provide::Plan;
use crate::record::{self, Record, Step};
use crate::run::{self, Flavor, Limit, Outcome, Passed, Stage};
use crate::seeds::{self, Seed, SeedArguments, SeedFunction, SeedOutput};
use crate::service::{Returned, Service};
use crate::{Error, Result, timeline};

/// Real services for what is no `#[test]`: benchmarks, test harnesses of another kind, examples.
///
/// It takes what the attribute takes, and [`run`](Self::run) does what an annotated test does.
///
/// # Examples
///
/// ```
/// use container_test::sqlx::{self, PgPool};
/// use container_test::{Builder, Migrations, Postgres};
///
/// let mut postgres = Postgres::default();
/// postgres.migrations = Migrations::inline(["CREATE TABLE users (id int)"]);
///
/// let count = Builder::new("count_users", env!("CARGO_MANIFEST_DIR"))
///     .service(postgres)
///     .run(async |cx| {
///         let pool: PgPool = cx.get().await?;
///         let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
///             .fetch_one(&pool)
///             .await
///             .map_err(|error| container_test::Error::new("count the users").because(error))?;
///         Ok(count)
///     })?;
/// assert_eq!(count, 0);
/// # Ok::<(), container_test::Error>(())
/// ```
pub struct Builder {
    plan: Plan,
    flavor: Flavor,
}

impl Builder {
    /// Returns a builder that declares nothing: a name for messages, and the directory of the
    /// crate, `env!("CARGO_MANIFEST_DIR")`, which paths are relative to.
    #[must_use]
    pub fn new(name: impl Into<String>, manifest_dir: impl Into<String>) -> Self {
        Self {
            plan: Plan::new(name.into(), manifest_dir.into()),
            flavor: Flavor::CurrentThread,
        }
    }

    /// Declares a service under its own name.
    #[must_use]
    pub fn service<S: Service>(self, service: S) -> Self {
        self.named(S::NAME, service)
    }

    /// Declares one of several services of a kind under a name.
    #[must_use]
    pub fn named<S: Service>(mut self, name: &'static str, service: S) -> Self {
        self.plan.declare(name, service);
        self
    }

    /// Declares a seed file for the service of this name. The path is relative to the crate.
    #[must_use]
    pub fn seed_file(mut self, service: &'static str, path: impl Into<std::path::PathBuf>) -> Self {
        let path = path.into();
        self.plan.seeds.push(Seed::File { service, path });
        self
    }

    /// Declares a seed function whose arguments are injected, with a name for messages.
    #[must_use]
    pub fn seed<A, K, F>(mut self, name: &'static str, function: F) -> Self
    where
        F: SeedFunction<A, K, Output: SeedOutput>,
        A: SeedArguments<()> + 'static,
        K: 'static,
    {
        self.plan
            .seeds
            .push(Seed::function::<(), A, K, F>(name, function));
        self
    }

    /// Runs the body on a tokio runtime with several threads. Default: one thread.
    #[must_use]
    pub fn multi_thread(mut self) -> Self {
        self.flavor = Flavor::MultiThread {
            worker_threads: None,
        };
        self
    }

    /// Provides the services, seeds them, runs the body on a tokio runtime of its own, and gives
    /// everything back, as a test does.
    ///
    /// # Errors
    ///
    /// That of the body, or whatever keeps a service from being provided.
    ///
    /// # Panics
    ///
    /// If the body panics, after everything was given back; and if it is called on a tokio runtime:
    /// use [`start`](Self::start) there.
    pub fn run<R>(self, body: impl AsyncFnOnce(TestContext) -> Result<R>) -> Result<R> {
        let body = |stage: &Stage<'_>| stage.on_runtime(body).map(Returns);
        match run::live(&self.plan, self.flavor, &Limit::None, body) {
            Outcome::Completed(Returns(value)) => Ok(value),
            Outcome::Failed(error) => Err(error),
            Outcome::Panicked(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Provides the services and seeds them, for as long as the returned value lives.
    ///
    /// # Errors
    ///
    /// Whatever keeps a service from being provided.
    ///
    /// # Examples
    ///
    /// ```
    /// use container_test::redis::{AsyncCommands, aio::ConnectionManager};
    /// use container_test::{Builder, Redis};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let services = Builder::new("suite", env!("CARGO_MANIFEST_DIR"))
    ///     .service(Redis::default())
    ///     .start()
    ///     .await?;
    /// let mut redis: ConnectionManager = services.get().await?;
    /// let () = redis.set("a", 1).await?;
    /// services.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(self) -> Result<Services> {
        let process = Process::current();
        timeline::open(&process.config)?;
        let mut span = timeline::current().map(|timeline| timeline.test(&self.plan.name));
        let record = Arc::new(Record::new(span.as_ref()));
        let start = async {
            let cx = self.plan.provide(process).await?;
            let services = Services(Some(cx));
            if let Some(cx) = &services.0
                && !self.plan.seeds.is_empty()
            {
                let seeding = seeds::run(cx, &self.plan.seeds);
                record::step(Step::Seeds, "", seeding).await?;
            }
            Ok::<_, Error>(services)
        };
        let services = record.scope(start).await?;
        if let Some(span) = &mut span {
            span.passed();
        }
        Ok(services)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Builder").field(&self.plan.name).finish()
    }
}

/// A value that is no outcome of a test: to return it is to pass.
struct Returns<R>(R);

impl<R> Passed for Returns<R> {
    fn passed(&self) -> bool {
        true
    }
}

/// Services that [`Builder::start`] has provided.
///
/// Dropping it gives them back in the background; a process that ends at once leaves that to the
/// servers. [`stop`](Self::stop) waits until they are given back.
#[derive(Debug)]
pub struct Services(Option<TestContext>);

impl Services {
    /// Makes a value of any injectable type.
    ///
    /// # Errors
    ///
    /// Whatever keeps the value from being made, and if no such service is declared.
    pub async fn get<T: FromContext<()>>(&self) -> Result<T> {
        match &self.0 {
            Some(cx) => cx.get().await,
            None => Err(Error::new("use the services").because("they were stopped")),
        }
    }

    /// Returns the context, which lives no longer than the services.
    #[must_use]
    pub fn context(&self) -> Option<&TestContext> {
        self.0.as_ref()
    }

    /// Releases the services, and waits until they are.
    ///
    /// # Cancel safety
    ///
    /// If it is cancelled, the services are released in the background.
    pub async fn stop(mut self) {
        if let Some(cx) = &self.0 {
            cx.finish(Returned::Dirty).await;
        }
        if let Some(cx) = self.0.take() {
            // The code that uses them may still hold what opens new connections.
            cx.release_now(Returned::Dirty).await;
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Some(cx) = self.0.take() {
            cx.release_later(Returned::Dirty);
        }
    }
}
