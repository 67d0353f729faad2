//! PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{as_user, directory, end, finish, free_port, output, wait_for, wrapped};

/// The role that tests have: it may create databases, and nothing else.
pub const ROLE: &str = "tester";
/// The database in which processes with this role know of each other.
pub const REGISTRY: &str = "container_test_4_tester";
/// Its password.
pub const PASSWORD: &str = "tell-nobody";

/// A PostgreSQL server with a superuser `postgres` and a role that may create databases.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    process: Child,
    directory: TempDir,
    settings: Vec<String>,
    /// What was there before any process used it.
    before: Vec<String>,
}

impl Postgres {
    /// Starts a server with further settings.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        let programs = postgres_programs();
        let directory = directory();
        let data = directory.path().join("data");
        finish(
            as_user("postgres", &programs.join("initdb"))
                .args(["--username=postgres", "--auth-local=trust", "--no-sync"])
                // Clients that are not optimised take long to prove that they know a password.
                .args(["--auth-host=password", "--encoding=UTF8"])
                .arg("--locale=C.UTF-8")
                .arg("-D")
                .arg(&data),
        );
        let mut server = Self::launch(programs, directory, settings);
        server.psql(&format!(
            "CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{PASSWORD}'"
        ));
        server.psql(&format!("CREATE DATABASE theirs OWNER {ROLE}"));
        server.before = server.objects();
        server
    }

    /// Runs SQL as the superuser; what it makes counts as there before any process used the server.
    #[must_use]
    pub fn prepared_by(mut self, sql: &str) -> Self {
        self.psql(sql);
        self.before = self.objects();
        self
    }

    /// A server that follows this one and can only be read.
    #[must_use]
    pub fn start_standby(&self) -> Self {
        let directory = directory();
        finish(
            as_user("postgres", &self.programs.join("pg_basebackup"))
                .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
                .args(["--username=postgres", "--port", &self.port.to_string()])
                .arg("--host")
                .arg(self.directory.path())
                .arg("-D")
                .arg(directory.path().join("data")),
        );
        let mut server = Self::launch(self.programs.clone(), directory, &[]);
        server.before = server.objects();
        server
    }

    fn launch(programs: PathBuf, directory: TempDir, settings: &[&str]) -> Self {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let port = free_port();
        let server = Self {
            process: spawn(&programs, directory.path(), port, &settings),
            programs,
            port,
            directory,
            settings,
            before: Vec::new(),
        };
        server.wait();
        server
    }

    fn wait(&self) {
        wait_for("PostgreSQL", self.directory.path(), || {
            self.try_psql("SELECT").is_ok()
        });
    }

    /// Ends it, and starts it again on the same port with its data.
    pub fn restart(&mut self) {
        end(&mut self.process);
        self.process = spawn(
            &self.programs,
            self.directory.path(),
            self.port,
            &self.settings,
        );
        self.wait();
    }

    /// The URL for tests.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(ROLE, PASSWORD)
    }

    /// The URL with another role.
    #[must_use]
    pub fn url_of(&self, role: &str, password: &str) -> String {
        format!(
            "postgres://{role}:{password}@127.0.0.1:{}/theirs",
            self.port
        )
    }

    /// The directory of its Unix socket.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as the superuser; rows are lines, columns are separated by `|`.
    #[must_use]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.rows_in("postgres", sql)
    }

    /// The same in another database.
    #[must_use]
    pub fn rows_in(&self, database: &str, sql: &str) -> Vec<String> {
        let rows = self.try_psql_in(database, sql);
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.lines().map(str::to_owned).collect()
    }

    /// Runs a statement as the superuser.
    pub fn psql(&self, sql: &str) {
        let _ = self.rows(sql);
    }

    fn try_psql(&self, sql: &str) -> Result<String, String> {
        self.try_psql_in("postgres", sql)
    }

    fn try_psql_in(&self, database: &str, sql: &str) -> Result<String, String> {
        output(&mut self.psql_in(database, sql))
    }

    fn psql_in(&self, database: &str, sql: &str) -> Command {
        let mut psql = as_user("postgres", &self.programs.join("psql"));
        psql.args([
            "-XAtqv",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
        ])
        .arg("-h")
        .arg(self.directory.path())
        .args(["-p", &self.port.to_string(), "-c", sql]);
        psql
    }

    /// Waits until a query gives a row.
    pub fn wait_for(&self, sql: &str) {
        self.wait_for_in("postgres", sql);
    }

    /// The same in another database, once it is there.
    pub fn wait_for_in(&self, database: &str, sql: &str) {
        wait_for(sql, self.directory.path(), || {
            let rows = self.try_psql_in(database, sql);
            rows.is_ok_and(|rows| !rows.is_empty())
        });
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).expect("a log")
    }

    /// Its databases and roles, except those that the registry lists as finished templates.
    fn objects(&self) -> Vec<String> {
        const OBJECTS: &str = "
            SELECT 'database ' || datname || CASE WHEN datistemplate THEN ' (template)' ELSE '' END
            FROM pg_database
            UNION ALL SELECT 'role ' || rolname FROM pg_roles
            -- Those of a template go with it.
            UNION ALL SELECT concat_ws(' ', 'setting', setdatabase, setrole, setting)
            FROM pg_db_role_setting s, unnest(setconfig) setting
            WHERE setdatabase NOT IN (SELECT oid FROM pg_database WHERE datistemplate)
            UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
            UNION ALL SELECT 'replication slot ' || slot_name FROM pg_replication_slots
            ORDER BY 1";
        self.rows(OBJECTS)
    }

    /// The databases that hold what processes know of each other: one per role that has come.
    fn registries(&self) -> Vec<String> {
        self.rows("SELECT datname FROM pg_database WHERE starts_with(datname, 'container_test_4_')")
    }

    /// The finished templates.
    #[must_use]
    pub fn templates(&self) -> Vec<String> {
        const TEMPLATES: &str = "SELECT name FROM template WHERE snapshot IS NOT NULL ORDER BY 1";
        let registries = self.registries().into_iter();
        registries
            .flat_map(|registry| self.rows_in(&registry, TEMPLATES))
            .collect()
    }

    /// What runs left: everything that was not there before, except the registry with finished
    /// templates. Sessions get a moment to end.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        const SESSIONS: &str = "
            SELECT 'session ' || coalesce(datname, '') || ' ' || state || ': ' || query
            FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        const ROWS: &str = "
            SELECT 'template that is not finished ' || name FROM template WHERE snapshot IS NULL
            UNION ALL SELECT 'claim ' || database || ' of ' || test FROM claim
            UNION ALL SELECT 'recycled ' || database FROM recycled
            UNION ALL SELECT 'lock ' || l::text FROM pg_locks l WHERE locktype = 'advisory'";
        let since = Instant::now();
        let mut sessions = self.rows(SESSIONS);
        while !sessions.is_empty() && since.elapsed() < Duration::from_secs(2) {
            sleep(Duration::from_millis(20));
            sessions = self.rows(SESSIONS);
        }
        let (registries, templates) = (self.registries(), self.templates());
        let expected = |object: &String| {
            let template = object
                .strip_prefix("database ")
                .and_then(|name| name.strip_suffix(" (template)"));
            let database = object.strip_prefix("database ");
            database.is_some_and(|name| registries.iter().any(|registry| registry == name))
                || self.before.contains(object)
                || template.is_some_and(|name| templates.iter().any(|known| known == name))
        };
        let objects = self.objects();
        let missing: Vec<String> = self
            .before
            .iter()
            .filter(|object| !objects.contains(object))
            .map(|object| format!("not any more: {object}"))
            .collect();
        sessions.extend(missing);
        sessions.extend(objects.into_iter().filter(|object| !expected(object)));
        if !templates.is_empty() {
            for registry in registries {
                sessions.extend(self.rows_in(&registry, ROWS));
            }
        }
        sessions
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn spawn(programs: &Path, directory: &Path, port: u16, settings: &[String]) -> Child {
    let mut server = wrapped("postgres", &programs.join("postgres"), directory);
    server.arg("-D").arg(directory.join("data"));
    server.arg("-k").arg(directory);
    for setting in ["listen_addresses=127.0.0.1", "fsync=off"] {
        server.args(["-c", setting]);
    }
    for setting in settings {
        server.args(["-c", setting]);
    }
    let server = server.arg("-p").arg(port.to_string()).spawn();
    server.expect("sh starts")
}

/// The directory of PostgreSQL's programs: along `PATH`, or where Debian has the newest.
fn postgres_programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut installed: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    installed.sort();
    let mut directories = std::env::split_paths(&path).chain(installed.into_iter().rev());
    let found = directories.find(|directory| {
        ["initdb", "postgres", "psql", "pg_basebackup"]
            .iter()
            .all(|program| directory.join(program).is_file())
    });
    found.expect("this suite needs PostgreSQL's server programs: install the package postgresql")
}
