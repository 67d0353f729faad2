//! Schemas that Rust code makes: a migrator, or a function.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx_core::migrate::Migrator;
use tokio::sync::oneshot;

use super::database::Database;
use super::lease::POOL_SIZE;
use super::program;
use crate::seeds::{SeedFunction, SeedOutput};
use crate::service::BoxError;
use crate::{Error, Result};

/// How long connections that the code has left open, and work that blocks, may take to end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Rust code that makes a schema.
#[derive(Clone)]
pub struct Code(Made);

#[derive(Clone)]
enum Made {
    Migrator(&'static Migrator),
    Function {
        /// The function's path, for messages.
        name: &'static str,
        /// What the schema is known by, if that is not the program.
        version: Option<String>,
        function: Arc<dyn Apply>,
    },
}

impl Code {
    /// Returns a migrator of sqlx.
    pub(super) fn migrator(migrator: &'static Migrator) -> Self {
        Self(Made::Migrator(migrator))
    }

    /// Returns a function that is applied to a new database. Equal versions share a template; a
    /// function without one has that of the program.
    pub(super) fn function<K, F>(version: Option<String>, function: F) -> Self
    where
        F: SeedFunction<(Database,), K, Output: SeedOutput> + Sync,
        K: 'static,
    {
        Self(Made::Function {
            name: type_name::<F>(),
            version,
            function: Arc::new(Function::<F, K>(function, PhantomData)),
        })
    }

    /// Returns the migrator, if it is one of sqlx.
    pub(super) fn as_migrator(&self) -> Option<&'static Migrator> {
        match self.0 {
            Made::Migrator(migrator) => Some(migrator),
            Made::Function { .. } => None,
        }
    }

    /// Returns what the schema is known by.
    pub(super) fn fingerprint(&self) -> Result<String> {
        match &self.0 {
            Made::Migrator(_) => Ok(String::new()),
            Made::Function { name, version, .. } => match version {
                Some(version) => Ok(format!("{name} {version}")),
                None => Ok(format!("{name} {}", program::fingerprint()?)),
            },
        }
    }

    /// Makes the schema. The code runs on a thread and a runtime of its own: it may block.
    pub(super) async fn apply(&self, options: PgConnectOptions, url: String) -> Result<()> {
        let Made::Function { name, function, .. } = &self.0 else {
            return Ok(());
        };
        let step = || Error::new(format!("apply the migrations of {name}"));
        let function = Arc::clone(function);
        let (sender, applied) = oneshot::channel();
        let thread = move || {
            let _ = sender.send(run(&*function, options, url));
        };
        thread::Builder::new()
            .name("migrations".to_owned())
            .spawn(thread)
            .map_err(|error| step().because(error))?;
        match applied.await {
            Ok(applied) => applied.map_err(|error| step().because(error)),
            Err(_) => Err(step().because("it panicked")),
        }
    }
}

fn run(function: &dyn Apply, options: PgConnectOptions, url: String) -> Result<(), BoxError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let applied = runtime.block_on(async {
        let pool = PgPoolOptions::new().max_connections(POOL_SIZE);
        let pool = pool.connect_lazy_with(options);
        let applied = function
            .apply(Database::new(url, pool.clone(), Arc::default()))
            .await;
        // A template is cloned only while no session is in it.
        let _ = tokio::time::timeout(PATIENCE, pool.close()).await;
        applied
    });
    runtime.shutdown_timeout(PATIENCE);
    applied
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Made::Migrator(_) => f.write_str("Migrator"),
            Made::Function { name, .. } => f.write_str(name),
        }
    }
}

/// Code is equal if it is the same code.
impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Code {}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl Code {
    fn identity(&self) -> (usize, &str, Option<&String>) {
        match &self.0 {
            Made::Migrator(migrator) => (std::ptr::from_ref::<Migrator>(migrator).addr(), "", None),
            Made::Function { name, version, .. } => (0, name, version.as_ref()),
        }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A function whose type is forgotten.
trait Apply: Send + Sync {
    fn apply(&self, database: Database) -> BoxFuture<'_, Result<(), BoxError>>;
}

struct Function<F, K>(F, PhantomData<fn() -> K>);

impl<F, K> Apply for Function<F, K>
where
    F: SeedFunction<(Database,), K, Output: SeedOutput> + Sync,
{
    fn apply(&self, database: Database) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { self.0.call((database,)).await.into_result() })
    }
}
