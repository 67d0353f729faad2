//! PostgreSQL as a service: the server that the options ask for.

use std::error::Error as StdError;
use std::sync::Arc;

use super::claims;
use super::clients::errors::describe;
use super::data_directory::{DataDirectory, PREPARED};
use super::options::Postgres;
use super::schemas;
use super::server::Server;
use super::slot::TestDatabase;
use crate::service::{
    Endpoint, Isolation, LocalProgram, OpenError, ServerSpec, Service, SlotRequest,
};
use crate::{Error, Result};

/// The default image: the newest major version that the whole suite runs on.
const IMAGE: &str = "postgres:17-alpine";

/// Nothing that a test server holds needs to survive a crash, and no test waits for a disk. The
/// write-ahead log stays small, since it may be in memory. Autovacuum off keeps background work
/// out of the tests' time.
const SETTINGS: [&str; 9] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=400",
    "min_wal_size=64MB",
    "max_wal_size=256MB",
    "checkpoint_timeout=1h",
    "log_line_prefix=%m [%p] %q%d ",
];

/// Migrations and tests need it, and so do we: a session has it at once. An image that the test names
/// may have other libraries to load.
const PRELOADED: &str = "shared_preload_libraries=plpgsql";

impl Service for Postgres {
    const NAME: &'static str = "postgres";
    type Server = Server;
    type Slot = TestDatabase;

    fn spec(&self) -> Result<ServerSpec> {
        if let Some((name, _)) = self.env.iter().find(|(name, _)| is_ours(name)) {
            return Err(Error::new(format!("use the variable {name}"))
                .because("container-test sets it itself")
                .with_help(
                    "use `user` and `database` for names, and `args` for settings of the server; \
                     passwords are random",
                ));
        }
        let image = self.image.as_deref().unwrap_or(IMAGE);
        let mut spec = ServerSpec::new(Self::NAME, image, 5432);
        let preloaded = self.image.is_none().then_some(PRELOADED);
        for setting in SETTINGS.into_iter().chain(preloaded) {
            spec.args.extend(["-c".to_owned(), setting.to_owned()]);
        }
        spec.args.extend(self.args.iter().cloned());
        spec.env.clone_from(&self.env);
        // It ends sessions at once, and leaves no shared memory.
        spec.stop_signal = "QUIT";
        spec.exclusive = self.isolation == Isolation::Server;
        if let Some(timeout) = self.startup_timeout {
            spec.startup_timeout = timeout;
        }
        // Within this machine the password is not hashed for every connection: that would cost more
        // than to connect.
        spec.container.env = [
            ("POSTGRES_PASSWORD", "{password}"),
            ("POSTGRES_HOST_AUTH_METHOD", "password"),
            ("POSTGRES_INITDB_ARGS", "--no-sync --auth-host=md5"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        spec.container.remote_env = [
            ("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256"),
            (
                "POSTGRES_INITDB_ARGS",
                "--no-sync --auth-host=scram-sha-256",
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        spec.container.prepared = Some(&PREPARED);
        spec.local = Some(local());
        Ok(spec)
    }

    async fn open(endpoint: Endpoint) -> Result<Server, OpenError> {
        Server::open(endpoint).await
    }

    fn prepare(&self, request: &SlotRequest) {
        schemas::prepare(self, request);
    }

    async fn claim(&self, server: Arc<Server>, request: SlotRequest) -> Result<TestDatabase> {
        claims::claim(self, server, request).await
    }

    async fn is_gone(server: &Server) -> bool {
        server.is_gone().await
    }

    fn describe_error(error: &(dyn StdError + 'static)) -> Option<String> {
        describe(error)
    }
}

/// Returns whether we set a variable of the image ourselves.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 6] = [
        "POSTGRES_USER",
        "POSTGRES_DB",
        "POSTGRES_PASSWORD",
        "POSTGRES_PASSWORD_FILE",
        "POSTGRES_HOST_AUTH_METHOD",
        "POSTGRES_INITDB_ARGS",
    ];
    OURS.contains(&name)
}

fn local() -> LocalProgram {
    let mut local = LocalProgram::new(
        &["postgres"],
        "PostgreSQL's server programs (`apt install postgresql`, `brew install postgresql`)",
    );
    local.beside = &["initdb"];
    local.user = Some("postgres");
    local.directories = &[
        // Debian and Ubuntu; Red Hat; Postgres.app; Homebrew.
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
        "/usr/local/pgsql/bin",
        "/usr/local/bin",
        "/usr/bin",
    ];
    local.args = vec![
        "-D".to_owned(),
        "{directory}/data".to_owned(),
        "-p".to_owned(),
        "{port}".to_owned(),
    ];
    for setting in [
        "listen_addresses={host}",
        "unix_socket_directories=",
        "dynamic_shared_memory_type=mmap",
    ] {
        local.args.extend(["-c".to_owned(), setting.to_owned()]);
    }
    local.data = Some(&DataDirectory);
    local
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_the_test_names_loads_its_own_libraries() {
        let args = |postgres: Postgres| postgres.spec().unwrap().args;
        assert!(args(Postgres::default()).contains(&PRELOADED.to_owned()));
        let named = Postgres {
            image: Some("postgis/postgis:17-3.5-alpine".to_owned()),
            ..Postgres::default()
        };
        assert!(!args(named).contains(&PRELOADED.to_owned()));
    }

    #[test]
    fn variables_that_are_set_here_are_refused_with_the_option_to_use() {
        for name in [
            "POSTGRES_PASSWORD",
            "POSTGRES_DB",
            "POSTGRES_HOST_AUTH_METHOD",
        ] {
            let postgres = Postgres {
                env: vec![(name.to_owned(), "shop".to_owned())],
                ..Postgres::default()
            };
            let report = postgres.spec().unwrap_err().report();
            assert!(
                report.contains(name) && report.contains("use `user`"),
                "{report}"
            );
        }
    }

    #[test]
    fn a_password_does_not_leave_this_machine_as_it_is() {
        let container = Postgres::default().spec().unwrap().container;
        let method = |pairs: &[(String, String)]| {
            let pairs = pairs
                .iter()
                .filter(|(name, _)| name.ends_with("AUTH_METHOD"));
            pairs.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        assert_eq!(method(&container.remote_env), ["scram-sha-256"]);
        assert_eq!(method(&container.env), ["password"]);
    }
}
