//! Schemas that Rust code makes: a migrator of sqlx, another tool's migrations, or a function.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx_core::migrate::Migrator;

use super::database::Database;
use super::lease::POOL_SIZE;
use super::own_thread::{self, PATIENCE};
use super::program;
use super::tool::Tool;
use crate::seeds::{SeedFunction, SeedOutput};
use crate::service::BoxError;
use crate::{Error, Result};

/// Rust code that makes a schema.
#[derive(Clone)]
pub struct Code(Made);

#[derive(Clone)]
enum Made {
    Migrator(&'static Migrator),
    Tool(Arc<Tool>),
    Function {
        /// The path of the function, or of the type that has it, for messages.
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

    /// Returns SQL migrations that another tool applies.
    #[allow(dead_code, reason = "each tool is behind a feature")]
    pub(super) fn tool(tool: Tool) -> Self {
        Self(Made::Tool(Arc::new(tool)))
    }

    /// Returns a function that is applied to a new database. Equal versions share a template; a
    /// function without one has that of the program.
    pub(super) fn function<K, F>(version: Option<String>, function: F) -> Self
    where
        F: SeedFunction<(Database,), K, Output: SeedOutput> + Sync,
        K: 'static,
    {
        Self::named(type_name::<F>(), version, function)
    }

    /// Returns the same under a name of its own.
    pub(super) fn named<K, F>(name: &'static str, version: Option<String>, function: F) -> Self
    where
        F: SeedFunction<(Database,), K, Output: SeedOutput> + Sync,
        K: 'static,
    {
        Self(Made::Function {
            name,
            version,
            function: Arc::new(Function::<F, K>(function, PhantomData)),
        })
    }

    /// Returns the migrator, if it is one of sqlx.
    pub(super) fn as_migrator(&self) -> Option<&'static Migrator> {
        match self.0 {
            Made::Migrator(migrator) => Some(migrator),
            _ => None,
        }
    }

    /// Returns the migrations of another tool, if it is that.
    pub(super) fn as_tool(&self) -> Option<&Arc<Tool>> {
        match &self.0 {
            Made::Tool(tool) => Some(tool),
            _ => None,
        }
    }

    /// Returns what the schema is known by.
    pub(super) fn fingerprint(&self) -> Result<String> {
        match &self.0 {
            Made::Migrator(_) => Ok(String::new()),
            Made::Tool(tool) => tool.fingerprint(),
            Made::Function { name, version, .. } => match version {
                Some(version) => Ok(format!("{name} {version}")),
                None => Ok(format!("{name} {}", program::fingerprint()?)),
            },
        }
    }

    /// Makes the schema, if it is a function that does.
    pub(super) async fn apply(&self, options: PgConnectOptions, url: String) -> Result<()> {
        let Made::Function { name, function, .. } = &self.0 else {
            return Ok(());
        };
        let function = Arc::clone(function);
        let applied = own_thread::run(async move || {
            let pool = PgPoolOptions::new().max_connections(POOL_SIZE);
            let pool = pool.connect_lazy_with(options);
            let applied = function.apply(Database::new(url, pool.clone())).await;
            // A template is cloned only while no session is in it.
            let _ = tokio::time::timeout(PATIENCE, pool.close()).await;
            applied
        });
        let applied = applied.await.and_then(|applied| applied);
        applied
            .map_err(|error| Error::new(format!("apply the migrations of {name}")).because(error))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Made::Migrator(_) => f.write_str("Migrator"),
            Made::Tool(tool) => tool.fmt(f),
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
    fn identity(&self) -> (u64, &str, Option<&String>) {
        match &self.0 {
            Made::Migrator(migrator) => (
                std::ptr::from_ref::<Migrator>(migrator).addr() as u64,
                "",
                None,
            ),
            Made::Tool(tool) => (tool.hash(), tool.name, None),
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
