//! How to connect: as the administrator, to the registry, as a test.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::registry;
use super::sql::quoted;
use crate::service::{Address, BoxError, Endpoint, percent_encoded, without_password};
use crate::{Error, Result};

/// The administrator of servers of ours.
pub(super) const ADMINISTRATOR: &str = "postgres";

/// Settings of our own sessions. They come with the start of a session, and so before those of the
/// role and of the database, which migrations and users may have changed.
const SETTINGS: [(&str, &str); 8] = [
    ("search_path", "public"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    (MARK, "on"),
];

/// The setting that shows whether the others have reached the server.
const MARK: &str = "container_test.session";

/// The condition under which they have.
pub(super) const IS_OURS: &str =
    "coalesce(current_setting('container_test.session', true), '') = 'on'";

/// Returns how to connect as the role that makes databases: without settings, as a test would.
pub(super) fn plain(endpoint: &Endpoint) -> Result<PgConnectOptions> {
    match endpoint.address() {
        Address::Started {
            host,
            port,
            password,
            ..
        } => Ok(PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(*port)
            .username(ADMINISTRATOR)
            .password(password)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)),
        Address::Given(url) => {
            let failed = |cause: BoxError| {
                Error::new("read CONTAINER_TEST_POSTGRES_URL")
                    .because(cause)
                    .with_help("write `postgres://user:password@host:port/database`")
            };
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return Err(failed("it is not a URL of PostgreSQL".into()));
            }
            PgConnectOptions::from_str(url).map_err(|error| failed(error.into()))
        }
    }
}

/// Adds the settings of our own sessions.
pub(super) fn administrative(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("container-test").options(SETTINGS)
}

/// Returns how to connect to write migrations and seeds: with all settings of the user but the one
/// under which nothing could be written.
pub(super) fn writable(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("default_transaction_read_only", "off")])
}

/// Switches off time-outs that a server knows only from some version on: an older one refuses
/// sessions that begin with them.
pub(super) fn without_timeouts(options: PgConnectOptions, version: i32) -> PgConnectOptions {
    let known = [
        (140_000, "idle_session_timeout"),
        (170_000, "transaction_timeout"),
    ];
    let known = known.into_iter().filter(|(since, _)| version >= *since);
    options.options(known.map(|(_, name)| (name, "0")))
}

/// Returns how to connect to the registry of the role.
pub(super) fn registry(endpoint: &Endpoint) -> Result<PgConnectOptions> {
    let options = administrative(plain(endpoint)?);
    let name = match endpoint.address() {
        Address::Started { .. } => registry::NAME.to_owned(),
        Address::Given(_) => registry::name_for(options.get_username()),
    };
    Ok(options.database(&name))
}

/// Returns the URL of a database in the form that every client takes: libpq's rules for sockets,
/// and no parameters that only one client knows.
pub(super) fn url(endpoint: &Endpoint, user: &str, database: &str) -> String {
    let database = percent_encoded(database);
    match endpoint.address() {
        address @ Address::Started { .. } => {
            format!("{}/{database}", address.url("postgres", user))
        }
        Address::Given(url) => {
            let (base, query) = match url.split_once('?') {
                Some((base, query)) => (base, format!("?{}", without_database(query))),
                None => (url.as_str(), String::new()),
            };
            let query = if query == "?" { "" } else { &query };
            let authority = base.find("://").map_or(0, |at| at + 3);
            let end = base[authority..]
                .rfind('/')
                .map_or(base.len(), |at| authority + at);
            format!("{}/{database}{query}", &base[..end])
        }
    }
}

/// Returns the command that looks into a database. It asks for a password that people have given to
/// us.
pub(super) fn psql(endpoint: &Endpoint, url: &str) -> String {
    let url = match endpoint.address() {
        Address::Started { .. } => url.to_owned(),
        Address::Given(_) => without_password(url).unwrap_or_default(),
    };
    format!("psql '{}'", url.replace('\'', "%27"))
}

/// Returns the command that drops a database.
pub(super) fn dropping(endpoint: &Endpoint, database: &str) -> String {
    let url = match endpoint.address() {
        Address::Started { .. } => url(endpoint, ADMINISTRATOR, "postgres"),
        Address::Given(url) => url.clone(),
    };
    format!(
        "{} -c 'DROP DATABASE {} WITH (FORCE)'",
        psql(endpoint, &url),
        quoted(database)
    )
}

/// Returns the parameters of a URL without those that name another database.
fn without_database(query: &str) -> String {
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("dbname="))
        .collect();
    kept.join("&")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::service::NoLog;

    fn url_on(address: Address, user: &str, database: &str) -> String {
        let endpoint = Endpoint {
            address,
            description: String::new(),
            outlives_tests: false,
            log: Arc::new(NoLog),
        };
        url(&endpoint, user, database)
    }

    #[test]
    fn urls_of_servers_of_ours_have_no_parameters() {
        let at = |host: &str| Address::Started {
            host: host.to_owned(),
            port: 5432,
            password: "secret".to_owned(),
            remote: false,
        };
        assert_eq!(
            url_on(at("127.0.0.1"), "postgres", "ct_shop_1"),
            "postgres://postgres:secret@127.0.0.1:5432/ct_shop_1"
        );
        assert_eq!(
            url_on(at("fe80::1"), "o'neil@x", "a/b ?"),
            "postgres://o%27neil%40x:secret@[fe80::1]:5432/a%2Fb%20%3F"
        );
    }

    #[test]
    fn commands_have_no_password_that_people_have_given_to_us() {
        let endpoint = Endpoint {
            address: Address::Given(
                "postgres://me:secret@db:5433/theirs?sslmode=require".to_owned(),
            ),
            description: String::new(),
            outlives_tests: true,
            log: Arc::new(NoLog),
        };
        let url = url(&endpoint, "me", "ct_1");
        assert_eq!(
            psql(&endpoint, &url),
            "psql 'postgres://me@db:5433/ct_1?sslmode=require'"
        );
        assert_eq!(
            dropping(&endpoint, "ct_1"),
            "psql 'postgres://me@db:5433/theirs?sslmode=require' \
             -c 'DROP DATABASE \"ct_1\" WITH (FORCE)'"
        );
    }

    #[test]
    fn urls_of_given_servers_contain_what_the_user_wrote() {
        for (given, expected) in [
            (
                "postgres://me:p@db:5433/theirs",
                "postgres://me:p@db:5433/ct_1",
            ),
            ("postgres://me@db", "postgres://me@db/ct_1"),
            (
                "postgres://me:p@%2Frun%2Fpg/theirs",
                "postgres://me:p@%2Frun%2Fpg/ct_1",
            ),
            (
                "postgresql://me@/theirs?host=/run/pg&sslmode=disable",
                "postgresql://me@/ct_1?host=/run/pg&sslmode=disable",
            ),
            ("postgres://db/x?dbname=y", "postgres://db/ct_1"),
        ] {
            let address = Address::Given(given.to_owned());
            assert_eq!(url_on(address, "me", "ct_1"), expected, "{given}");
        }
    }
}
