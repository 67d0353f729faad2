//! Plain servers, as somebody else runs them: what is given by URL, and what is found on them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The role that tests have: it may create databases, and nothing else.
pub const ROLE: &str = "tester";
/// Its password.
pub const PASSWORD: &str = "tell-nobody";

/// Longest time that a server may take to answer, and to have ended what it does.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs a program until the pipe on its input closes: whoever holds the other end has ended then,
/// however that came.
const WHILE_WE_LIVE: &str = r#""$@" & server=$!; read -r _; kill -s INT $server; wait $server"#;

/// A PostgreSQL server with a superuser `postgres` and a role that may create databases.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    process: Child,
    directory: TempDir,
    /// What was there before anybody used it.
    before: Vec<String>,
}

/// A Redis server with 16 logical databases.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    process: Child,
    directory: TempDir,
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
        let port = free_port();
        let mut server = wrapped("postgres", &programs.join("postgres"), directory.path());
        server.arg("-D").arg(directory.path().join("data"));
        server.arg("-k").arg(directory.path());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off"]
            .iter()
            .chain(settings)
        {
            server.args(["-c", setting]);
        }
        let process = server.arg("-p").arg(port.to_string()).spawn();
        let server = Self {
            programs,
            port,
            process: process.expect("sh starts"),
            directory,
            before: Vec::new(),
        };
        wait_for("PostgreSQL", server.directory.path(), || {
            server.try_psql("SELECT").is_ok()
        });
        server
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
        output(&mut psql)
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
            UNION ALL SELECT 'setting ' || s::text FROM pg_db_role_setting s
            UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
            UNION ALL SELECT 'replication slot ' || slot_name FROM pg_replication_slots
            ORDER BY 1";
        self.rows(OBJECTS)
    }

    /// The finished templates.
    #[must_use]
    pub fn templates(&self) -> Vec<String> {
        const TEMPLATES: &str = "SELECT name FROM template WHERE profile IS NOT NULL ORDER BY 1";
        if self
            .objects()
            .contains(&"database container_test_1".to_owned())
        {
            self.rows_in("container_test_1", TEMPLATES)
        } else {
            Vec::new()
        }
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
            SELECT 'template that is not finished ' || name FROM template WHERE profile IS NULL
            UNION ALL SELECT 'claim ' || database || ' of ' || test FROM claim
            UNION ALL SELECT 'recycled ' || database FROM recycled
            UNION ALL SELECT 'lock ' || l::text FROM pg_locks l WHERE locktype = 'advisory'";
        let since = Instant::now();
        let mut sessions = self.rows(SESSIONS);
        while !sessions.is_empty() && since.elapsed() < Duration::from_secs(2) {
            sleep(Duration::from_millis(20));
            sessions = self.rows(SESSIONS);
        }
        let templates = self.templates();
        let expected = |object: &String| {
            let template = object
                .strip_prefix("database ")
                .and_then(|name| name.strip_suffix(" (template)"));
            object == "database container_test_1"
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
            sessions.extend(self.rows_in("container_test_1", ROWS));
        }
        sessions
    }
}

impl Redis {
    /// Starts a server with further arguments.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let directory = directory();
        let port = free_port();
        let program = program("redis-server", "redis-server");
        let process = wrapped("redis", &program, directory.path())
            .args(["--bind", "127.0.0.1", "--databases", "16", "--save", ""])
            .args(["--unixsocketperm", "777", "--unixsocket"])
            .arg(directory.path().join("redis.sock"))
            .args(["--port", &port.to_string()])
            .args(arguments)
            .spawn();
        let server = Self {
            port,
            process: process.expect("sh starts"),
            directory,
        };
        wait_for("Redis", server.directory.path(), || {
            // One that wants a password answers as well.
            output(&mut server.client(0, &["PING"])).is_ok()
        });
        server
    }

    /// The URL for tests.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// What it answers to a command in a logical database.
    #[allow(clippy::must_use_candidate, reason = "commands change something")]
    pub fn ask(&self, database: u32, command: &[&str]) -> String {
        output(&mut self.client(database, command)).expect("an answer of Redis")
    }

    fn client(&self, database: u32, command: &[&str]) -> Command {
        let mut client = Command::new(program("redis-cli", "redis-tools"));
        client
            .args(["--no-raw", "-p", &self.port.to_string()])
            .args(["-n", &database.to_string()])
            .args(command);
        client
    }

    /// All keys with their values as the server stores them, and when they expire.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<String, String> {
        const CONTENTS: &str = "
            local contents = {}
            for number = 0, 15 do
                redis.call('SELECT', number)
                for _, key in ipairs(redis.call('KEYS', '*')) do
                    table.insert(contents, number .. ' ' .. key)
                    local expires = redis.call('PEXPIRETIME', key)
                    table.insert(contents, redis.sha1hex(redis.call('DUMP', key)) .. ' ' .. expires)
                end
            end
            return contents";
        let mut client = Command::new(program("redis-cli", "redis-tools"));
        client.args(["-p", &self.port.to_string(), "EVAL", CONTENTS, "0"]);
        let contents = output(&mut client).expect("an answer of Redis");
        let lines: Vec<&str> = contents.lines().filter(|line| !line.is_empty()).collect();
        let pairs = lines.chunks(2);
        pairs
            .map(|pair| (pair[0].to_owned(), pair[1..].concat()))
            .collect()
    }

    /// Clients that are still connected after a moment.
    #[must_use]
    pub fn clients(&self) -> Vec<String> {
        let since = Instant::now();
        loop {
            let clients = self.ask(0, &["CLIENT", "LIST"]).replace("\\n", "\n");
            let others: Vec<String> = clients
                .lines()
                .filter(|line| line.contains("id=") && !line.contains("cmd=client"))
                .map(str::to_owned)
                .collect();
            if others.is_empty() || since.elapsed() > Duration::from_secs(2) {
                return others;
            }
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    drop(process.stdin.take());
    let _ = process.wait();
}

/// A directory that servers can enter, be they somebody else.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("container-test-server-")
        .tempdir()
        .expect("a directory for a server");
    if let Some((user, group)) = other_user("postgres") {
        chown(directory.path(), Some(user), Some(group)).expect("a directory of postgres");
    }
    directory
}

/// A port that nobody listens on.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.local_addr().expect("its address").port()
}

/// A command whose program ends with us.
fn wrapped(user: &str, program: &Path, directory: &Path) -> Command {
    let log = fs::File::create(directory.join("log")).expect("a log");
    let mut command = if user == "postgres" {
        as_user(user, Path::new("sh"))
    } else {
        Command::new("sh")
    };
    command
        .args(["-c", WHILE_WE_LIVE, "sh"])
        .arg(program)
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stderr(log.try_clone().expect("the same log"))
        .stdout(log);
    command
}

/// A command as a user if we are root, which PostgreSQL refuses to run as.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = other_user(user) {
        command.uid(user).gid(group);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn other_user(name: &str) -> Option<(u32, u32)> {
    let status = fs::read_to_string("/proc/self/status").expect("our own status");
    if !status.contains("\nUid:\t0\t") {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    let prefix = format!("{name}:");
    let user = users.lines().find(|line| line.starts_with(&prefix));
    let user = user.unwrap_or_else(|| panic!("this suite runs as root and needs a user {name}"));
    let mut fields = user.split(':').skip(2).map(|id| id.parse().expect("an id"));
    Some((fields.next()?, fields.next()?))
}

fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(name));
    let found = candidates.find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("this suite needs {name}: install the package {package}"))
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

fn finish(command: &mut Command) {
    if let Err(error) = output(command) {
        panic!("{}: {error}", command.get_program().display());
    }
}

/// What the command says on its output, or what it complains about.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn wait_for(what: &str, directory: &Path, mut happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happened() {
        if since.elapsed() > LONGEST {
            let mut text = format!("waited in vain for {what}");
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            let _ = write!(text, "; the server's log:\n{log}");
            panic!("{text}");
        }
        sleep(Duration::from_millis(20));
    }
}
