//! The attribute of container-test: its own crate because the compiler wants it so. Depend on
//! `container-test`, which re-exports it.
//!
//! Four phases: `parse` reads what is written, `check` finds out what it means and what is
//! wrong with it, `expand` writes the test; this file is the glue. `fallback` is what remains
//! of a test with mistakes.

use proc_macro::TokenStream;

mod check;
mod expand;
mod fallback;
mod feature;
mod parse;
mod site;
#[cfg(test)]
mod tests;

use parse::Errors;
use site::Site;

/// Makes a test of an `async fn`, with the real services that it declares.
///
/// The services are ready when the body starts: servers run, the test has a database and a keyspace
/// of its own, migrations and seeds are applied, and the arguments are made from them, each by its
/// type. However the test ends, nothing of it is left behind.
///
/// ```ignore
/// #[container_test(postgres, redis, migrations = "migrations", seeds("users", insert_session))]
/// async fn signs_up(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
///     let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await?;
///     assert_eq!(users, 1);
///     let session: String = redis.get("session:1").await?;
///     assert_eq!(session, "alice");
///     Ok(())
/// }
///
/// async fn insert_session(mut redis: ConnectionManager) -> anyhow::Result<()> {
///     Ok(redis.set("session:1", "alice").await?)
/// }
/// ```
///
/// # The function
///
/// It is an `async fn` without generics. Its arguments are of injectable types (implementations of
/// `FromContext`), by value; one that needs a service which the test does not declare is a compile
/// error on that argument. It returns what a test may return: nothing, a `Result` whose error is
/// `Debug`, or any other [`Termination`](std::process::Termination). `Err` fails the test.
///
/// Its other attributes (`#[ignore]`, `#[should_panic]`, `#[cfg]`, `#[allow]`), its documentation and
/// its visibility stay as they are. `#[test]` or `#[tokio::test]` must not be among them.
///
/// # Services
///
/// Each is a word, alone or with options in parentheses. A test that declares none just gets its
/// runtime, its timeout and its context.
///
/// | service | gives the test |
/// |---|---|
/// | `postgres` | a PostgreSQL database |
/// | `redis` | a Redis keyspace |
///
/// | option | of | default | |
/// |---|---|---|---|
/// | `image = "postgres:17-alpine"` | both | a current one | Image that a container is made from. |
/// | `database = "app"` | `postgres` | the crate's name | What the database's name begins with; on a server of one's own, its name. At most 63 bytes. |
/// | `user = "app"` | `postgres` | `"postgres"` | Role that the test connects as. At most 63 bytes. |
/// | `isolation = "server"` | both | `"database"` | `"database"`: a database or keyspace on a server that tests share. `"server"`: a server that no other test uses. |
/// | `startup_timeout = "90s"` | both | `"60s"` | Longest time that the server may take to answer. |
/// | `args = ["-c", "work_mem=64MB"]` | both | none | Further arguments of the server program. |
/// | `env = ["TZ=UTC"]` | both | none | Further environment variables of the server, each `NAME=value`. |
/// | `recycle = false` | `postgres` | `true` | Whether a database that is proven to be as new may serve another test. |
///
/// `image`, `database`, `user` and the elements of `args` may also be constants
/// (`image = TIMESCALE`) or macros (`concat!(…)`). Tests with different images, arguments or
/// environments use different servers.
///
/// # Options of the test
///
/// ## `migrations`
///
/// Where the schema comes from. It needs `postgres`.
///
/// - Nothing said: the directory `migrations` beside `Cargo.toml`, if there is one.
/// - `migrations = "db/migrations"`: a directory of SQL files as `sqlx` names them, relative to the
///   crate. That it exists is checked when compiling; what is in it is read when running.
/// - `migrations = ["CREATE TABLE …", include_str!("views.sql"), SCHEMA]`: SQL scripts, each with as
///   many statements as it likes: text, or constant expressions.
/// - `migrations = false`: none.
///
/// ## `seeds`
///
/// Data to begin with: files and functions, applied in the order written. Default: none.
///
/// - `seeds("users")`: the file `users.sql` or `users.redis` in the directory `fixtures` beside the
///   source file, or else beside `Cargo.toml`. If both exist, write the extension.
/// - `seeds("sql/users.sql")`: a path, relative to the source file's directory, or else to the crate.
/// - `seeds(insert_session, helpers::insert_user)`: async functions that take injectable arguments
///   and return `()` or a `Result<(), E>`.
///
/// `.sql` files need `postgres`; `.redis` files, one command a line as in `redis-cli`, need `redis`.
/// A missing file is a compile error that lists the places looked at.
///
/// ## `timeout`
///
/// `timeout = "30s"`: the longest time that the body may take, as a whole number and a unit: `ms`,
/// `s`, or `m` (`min`). Default: no limit.
///
/// ## `flavor`, `worker_threads`
///
/// The tokio runtime that the body runs on, as in `#[tokio::test]`: `flavor = "current_thread"`, the
/// default, or `flavor = "multi_thread"`, with `worker_threads = 2` for a number of threads other
/// than one per core.
///
/// # The feature `integration`
///
/// If the crate's `Cargo.toml` declares a feature `integration`, its tests are ignored, with a reason,
/// unless that feature is on. They are compiled all the same, so that they cannot rot. A test that
/// has an `#[ignore]` of its own keeps it. A crate that declares no such feature just runs its tests.
///
/// # What it stands for
///
/// The attribute writes the declaration down and makes one call. The test above is, by hand:
///
/// ```ignore
/// #[test]
/// fn signs_up() -> ExitCode {
///     async fn signs_up(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> { /* … */ }
///
///     struct Declared;
///     impl Declares<Postgres> for Declared {}
///     impl Declares<Redis> for Declared {}
///
///     run(
///         Test {
///             postgres: Some(PostgresOptions::DEFAULT),
///             redis: Some(RedisOptions::DEFAULT),
///             migrations: Migrations::Directory("migrations"),
///             ..Test::new(concat!(module_path!(), "::signs_up"), env!("CARGO_MANIFEST_DIR"))
///         },
///         vec![Seed::file("tests/fixtures/users.sql"), Seed::function("insert_session", insert_session)],
///         async |cx: TestContext<Declared>| {
///             let pool: PgPool = inject(&cx).await?;
///             let redis: ConnectionManager = inject(&cx).await?;
///             Ok(signs_up(pool, redis).await)
///         },
///     )
/// }
/// ```
///
/// A test with `#[should_panic]` has no return type, since the test harness wants it so.
///
/// # Errors
///
/// Every mistake is an error on the word at fault that says what to write instead; all are reported
/// at once, beside those of the body.
#[proc_macro_attribute]
pub fn container_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let site = Site::of_this_call();
    transform(arguments.into(), &item.into(), &site).into()
}

/// The whole attribute, on tokens that need no compiler.
fn transform(
    arguments: proc_macro2::TokenStream,
    item: &proc_macro2::TokenStream,
    site: &Site,
) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let entries = parse::entries(arguments, &mut errors);
    let function = match parse::function(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.absorb(error);
            return fallback::item(&errors, item);
        }
    };
    let declaration = check::check(&entries, &function, site, &mut errors);
    if errors.is_empty() {
        expand::expand(&declaration, &function)
    } else {
        fallback::function(&errors, &function)
    }
}
