//! Migrations and SQL seeds: found, hashed, applied.

use std::hash::{DefaultHasher, Hash};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use sqlx_core::migrate::Migrator;

use super::code::Code;
use super::failure::{code, failed};
use super::files::{self, File};
use super::migrations::Migrations;
use super::migrator::{self, Origin};
use super::registry;
use super::roles::Before;
use super::script::{MIGRATION, Script};
use super::sql;
use super::sqlx_config::SqlxConfig;
use super::tool::Tool;
use crate::Result;
use crate::hash::short;

/// Everything that a template is made from.
#[derive(Debug)]
pub(super) struct Schema {
    /// What the administrator creates first.
    extensions: Vec<String>,
    migrations: Source,
    seeds: Vec<Script>,
    hashes: Mutex<Option<Hashes>>,
}

/// Hashes that every test needs: to make them reads all scripts.
#[derive(Debug)]
struct Hashes {
    user: String,
    period: u64,
    prefixes: Vec<String>,
}

#[derive(Clone, Debug)]
enum Source {
    Nothing,
    Directory(PathBuf, Vec<File>, SqlxConfig),
    Inline(Vec<Script>),
    Migrator(&'static Migrator),
    /// What another tool applies, and what the schema is known by beside the scripts.
    Tool(Arc<Tool>, String),
    /// A function, and what the schema that it makes is known by.
    Function(Code, String),
}

/// How to connect to the database that a schema is made in, for code that does so by itself.
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    pub(super) url: String,
}

impl Schema {
    /// Reads what a test declares.
    pub(super) fn read(
        directory: &Path,
        migrations: &Migrations,
        seeds: &[PathBuf],
        extensions: &[String],
    ) -> Result<Self> {
        let migrations = match migrations {
            Migrations::Disabled => Source::Nothing,
            Migrations::Inline(scripts) => Source::Inline(
                (1..)
                    .zip(scripts)
                    .map(|(number, text)| Script {
                        kind: MIGRATION,
                        source: format!("number {number} of the list in the attribute"),
                        text: text.clone(),
                    })
                    .collect(),
            ),
            Migrations::Code(code) => match (code.as_migrator(), code.as_tool()) {
                (Some(migrator), _) => Source::Migrator(migrator),
                (_, Some(tool)) => Source::Tool(Arc::clone(tool), code.fingerprint()?),
                _ => Source::Function(code.clone(), code.fingerprint()?),
            },
            Migrations::Directory(given) => {
                let given = directory.join(given);
                let files = files::up(&given)?;
                Source::Directory(given, files, SqlxConfig::read(directory)?)
            }
            Migrations::Default | Migrations::Usual => {
                let config = SqlxConfig::read(directory)?;
                let expected = *migrations == Migrations::Usual && config.has_usual_directory();
                let directory = directory.join(config.migrations_dir());
                match files::up_if_there(&directory, expected)? {
                    Some(files) => Source::Directory(directory, files, config),
                    None => Source::Nothing,
                }
            }
        };
        let seeds = seeds
            .iter()
            .map(|path| Script::read(path))
            .collect::<Result<_>>()?;
        Ok(Self {
            extensions: extensions.to_vec(),
            migrations,
            seeds,
            hashes: Mutex::default(),
        })
    }

    /// Leaves out the first seed that the test says no to, and those after it; returns its name.
    pub(super) fn cut_seeds(&mut self, no: impl Fn(&str) -> bool) -> Option<String> {
        let first = self.seeds.iter().position(|seed| no(&seed.text))?;
        let cut = self.seeds.split_off(first);
        cut.into_iter().next().map(|seed| seed.source)
    }

    /// Returns how many seeds there are.
    pub(super) fn seeds(&self) -> usize {
        self.seeds.len()
    }

    /// Returns whether there are seeds.
    pub(super) fn has_seeds(&self) -> bool {
        !self.seeds.is_empty()
    }

    /// Returns the same without seeds, if there are some.
    pub(super) fn without_seeds(&self) -> Option<Self> {
        (!self.seeds.is_empty()).then(|| Self {
            extensions: self.extensions.clone(),
            migrations: self.migrations.clone(),
            seeds: Vec::new(),
            hashes: Mutex::default(),
        })
    }

    /// Returns all migrations and seeds, in the order in which they are applied.
    pub(super) fn scripts(&self) -> Vec<Script> {
        let mut scripts = match &self.migrations {
            // What a function does is not known before it has run.
            Source::Nothing | Source::Function(..) => Vec::new(),
            Source::Inline(scripts) => scripts.clone(),
            Source::Directory(directory, files, _) => files
                .iter()
                .map(|(name, text)| migration(&directory.join(name), text))
                .collect(),
            Source::Migrator(migrator) => migrator.iter().map(migrator::script).collect(),
            Source::Tool(tool, _) => tool.scripts().to_vec(),
        };
        scripts.extend(self.seeds.iter().cloned());
        scripts
    }

    /// Returns a hash of all content: equal schemas of one role share a template.
    pub(super) fn hash(&self, user: &str) -> String {
        let mut hash = DefaultHasher::new();
        // What another registry knows of a database of the same name, this one does not.
        registry::NAME.hash(&mut hash);
        self.prefixes(user).last().hash(&mut hash);
        for seed in &self.seeds {
            seed.text.hash(&mut hash);
        }
        short(&hash)
    }

    /// Returns a hash of each beginning of the list of migrations, the empty one first.
    pub(super) fn prefixes(&self, user: &str) -> Vec<String> {
        let period = period();
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        match &*hashes {
            Some(known) if known.user == user && known.period == period => known.prefixes.clone(),
            _ => {
                let prefixes = self.new_prefixes(user, period);
                *hashes = Some(Hashes {
                    user: user.to_owned(),
                    period,
                    prefixes: prefixes.clone(),
                });
                prefixes
            }
        }
    }

    fn new_prefixes(&self, user: &str, period: u64) -> Vec<String> {
        let mut hash = DefaultHasher::new();
        (user, &self.extensions).hash(&mut hash);
        match &self.migrations {
            Source::Directory(_, _, config) if *config != SqlxConfig::default() => {
                config.hash(&mut hash);
            }
            Source::Migrator(migrator) => {
                (&migrator.table_name, &migrator.create_schemas).hash(&mut hash);
            }
            Source::Tool(_, fingerprint) => ("tool", fingerprint).hash(&mut hash),
            _ => {}
        }
        let mut prefixes = vec![short(&hash)];
        let mut add = |part: &dyn Fn(&mut DefaultHasher)| {
            part(&mut hash);
            prefixes.push(short(&hash));
        };
        match &self.migrations {
            Source::Nothing => {}
            Source::Directory(_, files, _) => {
                for file in files {
                    add(&|hash| ("file", file, age(&file.1, period)).hash(hash));
                }
            }
            Source::Inline(scripts) => {
                for script in scripts {
                    add(&|hash| ("script", &script.text, age(&script.text, period)).hash(hash));
                }
            }
            Source::Migrator(migrator) => {
                for migration in migrator.iter() {
                    let sql = migration.sql.as_str();
                    add(&|hash| ("migration", migration.version, sql, age(sql, period)).hash(hash));
                }
            }
            Source::Tool(tool, _) => {
                for Script { source, text, .. } in tool.scripts() {
                    add(&|hash| ("of tool", source, text, age(text, period)).hash(hash));
                }
            }
            Source::Function(_, fingerprint) => add(&|hash| ("code", fingerprint).hash(hash)),
        }
        prefixes
    }

    /// Returns whether the administrator has something to create.
    pub(super) fn has_extensions(&self) -> bool {
        !self.extensions.is_empty()
    }

    /// Creates the extensions, as the administrator. On servers before PostgreSQL 15, `owner` gets
    /// what the owner of a database has by itself since then: the schema `public`.
    pub(super) async fn prepare(
        &self,
        administrator: &mut PgConnection,
        owner: Option<&str>,
    ) -> Result<()> {
        if let Some(owner) = owner {
            let public = format!("ALTER SCHEMA public OWNER TO {}", sql::quoted(owner));
            let public = administrator.execute(AssertSqlSafe(public)).await;
            public.map_err(failed(
                "give the schema public to the owner of the database",
            ))?;
        }
        for extension in &self.extensions {
            let create = format!(
                "CREATE EXTENSION IF NOT EXISTS {} CASCADE",
                sql::quoted(extension)
            );
            let created = administrator.execute(AssertSqlSafe(create)).await;
            created.map_err(|error| {
                let help = if code(&error).as_deref() == Some("42501") {
                    "have a superuser create it in the database `template1`, of which all others of \
                     the server are made"
                } else {
                    "name one that the server has; `image = \"…\"` chooses an image that brings it"
                };
                failed(format!("create the extension {extension}"))(error).with_help(help)
            })?;
        }
        Ok(())
    }

    /// Applies migrations, then seeds. The first `applied` migrations are in the database already;
    /// `before` is what roles were before.
    pub(super) async fn apply(
        &self,
        target: Target,
        connection: &mut PgConnection,
        applied: usize,
        before: &Before,
    ) -> Result<()> {
        match &self.migrations {
            Source::Nothing => {}
            // What is applied is recorded in the database.
            Source::Directory(directory, files, config) => {
                for (name, text) in files {
                    migration(&directory.join(name), text).check()?;
                }
                let migrator = config
                    .migrator(directory)
                    .await
                    .map_err(|error| files::unreadable(directory, error))?;
                if files::up(directory)? != *files {
                    return Err(files::unreadable(directory, "they have just changed"));
                }
                migrator::run(migrator, Origin::Directory(directory), connection, before).await?;
            }
            Source::Migrator(migrator) => {
                let migrator = migrator::copy(migrator);
                migrator::run(migrator, Origin::Static, connection, before).await?;
            }
            Source::Tool(tool, _) => tool.apply(target.url, connection).await?,
            Source::Function(code, _) => {
                if applied == 0 {
                    code.apply(target.options, target.url).await?;
                }
            }
            Source::Inline(scripts) => {
                for script in &scripts[applied.min(scripts.len())..] {
                    before.adapted(script).apply(connection).await?;
                }
            }
        }
        for seed in &self.seeds {
            before.adapted(seed).apply(connection).await?;
        }
        Ok(())
    }
}

/// How long a template is used that has written what the clock said.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Returns the number of the current period of this length.
fn period() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs() / LIFE.as_secs()
}

/// Returns what makes a template of this script a new one from time to time, if the script writes
/// rows and reads the clock or draws random numbers: they are as old as the template.
fn age(script: &str, period: u64) -> Option<u64> {
    sql::writes_volatile(script).then_some(period)
}

/// Returns a file of a directory as a script.
fn migration(path: &Path, text: &str) -> Script {
    Script {
        kind: MIGRATION,
        source: path.display().to_string(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_rows_with_the_clock_grows_old() {
        for script in [
            "INSERT INTO offers (ends) VALUES (now() + interval '3 seconds')",
            "INSERT INTO keys (id) VALUES (gen_random_uuid())",
        ] {
            assert_ne!(age(script, 1), age(script, 2), "{script}");
        }
        for script in [
            "CREATE TABLE offers (ends timestamptz DEFAULT now())",
            "INSERT INTO users (name) VALUES ('ada')",
        ] {
            assert_eq!(age(script, 1), age(script, 2), "{script}");
        }
    }
}
