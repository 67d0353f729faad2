//! The attribute of container-test, in its own crate because procedural macros need one. Depend on
//! `container-test`, which re-exports it.
//!
//! Four phases: `parse` reads what is written, `check` finds its meaning and its mistakes,
//! `expand` writes the test, and this file connects them. `fallback` writes the test that has
//! mistakes.

use proc_macro::TokenStream;

mod check;
mod expand;
mod fallback;
mod gate;
mod parse;
mod site;
#[cfg(test)]
mod tests;

use parse::Errors;
use site::Site;

/// Makes a test of a function, with the real services that it declares.
///
/// The services are ready when the body starts: servers run, the test has a database and a keyspace
/// of its own, migrations and seeds are applied, and the arguments are made from them, each by its
/// type. Nothing of it remains when the test ends, even if its process is killed.
///
/// ```ignore
/// #[container_test(postgres, redis, seeds("users", insert_session), timeout = "30s")]
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
/// It is an `async fn` or a plain `fn`, without generics. Its arguments are of injectable types
/// (implementations of `FromContext`), by value; one that needs a service which the test does not
/// declare is a compile error on that argument. It returns what a test may return: nothing, a `Result`
/// whose error is `Debug`, or any other [`Termination`](std::process::Termination). `Err` fails the
/// test.
///
/// The body of an `async fn` runs on a tokio runtime of the test's own. A plain `fn` is for clients that
/// block. Its arguments are made on such a runtime; its body runs outside of any, so that it may block
/// on a runtime of its own. What the arguments have started goes on while it runs. An argument whose
/// `Drop` needs a runtime, such as sqlx's `PoolConnection`, takes an `async fn`.
///
/// Its other attributes (`#[ignore]`, `#[should_panic]`, `#[cfg]`, `#[allow]`, also in `#[cfg_attr]`),
/// its documentation and its visibility stay as they are. `#[test]` or `#[tokio::test]` must not be
/// among them.
///
/// Attributes of other crates that wrap a function may stand on either side. Below this one they get the
/// test as the test harness does, a function without arguments. It returns what the test returns if that
/// is nothing, or a type whose name ends in `Result`. Above this one they get the function as it is
/// written.
///
/// - `#[serial]` and `#[parallel]` of `serial_test` stand below: above, they drop the arguments, which is
///   an error here. Below, the test has the lock while it gets its database as well.
/// - `#[traced_test]` stands above if the function has cases, and on either side if not.
/// - `#[test_log::test]` may stand on either side.
///
/// # Several tests of one function
///
/// Lines of values make a test each:
///
/// ```ignore
/// #[container_test(postgres)]
/// #[case("a@example.com", true)]
/// #[case::without_domain("a@", false)]
/// async fn checks_an_address(#[case] address: &str, #[case] valid: bool, pool: PgPool) { /* … */ }
/// ```
///
/// The tests are `checks_an_address::case_1` and `checks_an_address::case_2_without_domain`. The values
/// are Rust expressions, one for each argument with `#[case]`, in the order of the arguments. All other
/// attributes apply to each test. `#[rstest]` is not needed, and an error on the same function.
///
/// A list of images makes a test for each: `postgres(image = ["postgres:15-alpine",
/// "postgres:17-alpine"])` makes `…::postgres_15_alpine` and `…::postgres_17_alpine`, and with cases
/// `…::case_1_postgres_15_alpine` and so on.
///
/// The function of several tests stands beside the module that is named after it, so it must not be
/// inside of another function.
///
/// # Services
///
/// A service is a word or the path of a type, alone or with options in parentheses. A test without
/// services gets its runtime, its timeout and its context.
///
/// | service | what the test gets |
/// |---|---|
/// | `postgres` | a PostgreSQL database |
/// | `redis` | a Redis keyspace |
/// | `container(image)` | a container of any image; needs the feature `testcontainers` |
/// | `my_crate::Nats`, `Nats` | what the type provides, by its implementation of `Service` |
///
/// ## `postgres` and `redis`
///
/// | option | of | default | |
/// |---|---|---|---|
/// | `image = "postgres:17-alpine"` | both | a current one | Image that a container is made from; a list makes [a test for each](#several-tests-of-one-function). |
/// | `database = "app"` | `postgres` | the crate's name | What the database's name begins with; with `isolation = "server"`, its name. At most 63 bytes. |
/// | `user = "app"` | `postgres` | `"postgres"`, a superuser | Role that the test connects as: an ordinary role that owns the database and what its migrations make. Its databases are not recycled. At most 63 bytes. |
/// | `isolation = "server"` | both | `"database"` | `"database"`: a database or keyspace on a server that tests share. `"server"`: a server that no other test uses. |
/// | `startup_timeout = "90s"` | both | `"60s"` | Longest time that the server may take to answer. |
/// | `args = ["-c", "work_mem=64MB"]` | both | none | Further arguments of the server program. |
/// | `env = ["TZ=UTC"]` | both | none | Further environment variables of the server, each `NAME=value`. |
/// | `recycle = false` | `postgres` | `true` | Whether another test may reuse the database once it is reset and equals its template. |
/// | `max_connections = 10` | `postgres` | 5 | Most connections that the test's pool opens. |
/// | `extensions = ["citext"]` | `postgres` | none | Extensions that the administrator creates before the migrations run: most of them take a superuser. |
/// | `template_seeds = false` | `postgres` | by what they read | Whether SQL seeds are applied once, in the template, rather than for each test. By default they are, up to the first that reads the clock or draws random numbers. |
/// | `migrations = "migrations"` | `postgres` | see [`migrations`](#migrations) | Where the schema comes from. |
/// | `seeds("users")` | both | none | Data of this service; see [`seeds`](#seeds). |
///
/// `image`, `database`, `user` and the elements of `args` may also be constants
/// (`image = TIMESCALE`) or macros (`concat!(…)`). Tests with different images, arguments or
/// environments use different servers.
///
/// ## `container(image)`
///
/// The parentheses hold a Rust expression for the image, and options after it:
/// `container(GenericImage::new("mailhog/mailhog", "v1.0.1").with_exposed_port(1025.tcp()))`. It is
/// an image of testcontainers, or a request that was made from one, with environment, command, mounts
/// and files. The argument `Container` is a handle to it: ports, log, programs to run in it.
///
/// | option | default | |
/// |---|---|---|
/// | `shared = true` | `false` | Whether tests with an equal request share the container, those of other processes as well. |
/// | `startup_timeout = "90s"` | the request's, else `"60s"` | Longest time until the container is ready, as its image says. |
/// | `seeds(insert_mail)` | none | Functions that fill the container. |
///
/// ## Any other service
///
/// A type that implements `Service` is declared by its path. A path of one word begins with an
/// upper-case letter, so that misspelt options are not read as types. The options are the fields of
/// the type: `Nats(jetstream = true)` sets the field `jetstream` to the expression, over the default
/// value of the type. A wrong name or a wrong type is the compiler's error on that option.
/// `seeds(…)` may stand between the options; a seed file is given by its whole name.
///
/// ## Names
///
/// A service may have a name, so that a test can have several of a kind:
///
/// ```ignore
/// #[container_test(
///     orders = postgres(migrations = "orders/migrations", seeds("orders")),
///     billing = postgres(migrations = "billing/migrations"),
///     events = my_crate::Nats,
/// )]
/// async fn bills_an_order(
///     #[from(orders)] orders: PgPool,
///     #[from(billing)] billing: PgPool,
///     events: NatsClient,
/// ) { /* … */ }
/// ```
///
/// Without a name, a service goes by its word, or by its type in snake case (`MailHog` is
/// `mail_hog`). `#[from(name)]` before an argument chooses the service that the argument is made
/// from. It is required where several services fit: an argument without it is a compile error that
/// lists their names. Two paths are the same kind if they are spelt the same.
///
/// # Options of the test
///
/// ## `migrations`
///
/// Where the schema comes from. It stands inside of `postgres(…)`, or beside it if there is only
/// one.
///
/// - Default: the directory `migrations` beside `Cargo.toml`, if there is one, or the one that
///   `sqlx.toml` names.
/// - `migrations = "db/migrations"`: a directory of SQL files as `sqlx` names them, relative to the
///   crate. That it exists is checked at compile time; its files are read when the test runs.
/// - `migrations = ["CREATE TABLE …", include_str!("views.sql"), SCHEMA]`: SQL scripts of any number
///   of statements each: text, or constant expressions.
/// - `migrations = MIGRATOR`: the path of a `static` of sqlx's `Migrator`, or of anything else that
///   implements `IntoMigrations`: with features, migrations of sqlx 0.8, diesel, refinery and sea-orm.
///   `migrator = "MIGRATOR"` means the same, as in `#[sqlx::test]`.
/// - `migrations = migrate`: the path of a function that makes the schema, such as
///   `async fn migrate(database: Database) -> Result<(), E>`. It is called once per template, on a
///   thread of its own; a plain `fn` may block. It is called again by a program that is built from other
///   code, since what it does is known by the program. Rows that it writes with the clock are as old as
///   the template.
/// - `migrations = false`: none.
///
/// The section `[migrate]` of a `sqlx.toml` beside `Cargo.toml` is heeded for directories: `table-name`,
/// `create-schemas`, `migrations-dir` and `ignored-chars`.
///
/// ## `seeds`
///
/// Initial data: files and functions. Default: none.
///
/// - `seeds("users")`: the file `users.sql` or `users.redis` in the directory `fixtures` beside the
///   source file, or else beside `Cargo.toml`. If both exist, write the extension.
/// - `seeds("sql/users.sql")`: a path, relative to the source file's directory, or else to the crate.
/// - `seeds(insert_session, helpers::insert_user)`: functions that take injectable arguments and
///   return `()` or a `Result<(), E>`. A plain `fn` runs on a thread that may block; its arguments are
///   `Send`.
///
/// `.sql` files need `postgres`; `.redis` files, one command a line as in `redis-cli`, need `redis`.
/// A missing file is a compile error that lists the candidates.
///
/// `seeds` stands beside the services or inside of one. With several services of a kind, its files
/// must be inside; the arguments of a function inside are made from that service. Seeds inside of
/// services are applied first, in the order of the services, then those beside them.
///
/// ## `fixtures`
///
/// SQL seed files, named as in `#[sqlx::test]`. Default: none. It may be given several times, and stands
/// where `seeds` may stand; both are applied in the order written.
///
/// - `fixtures("users")`: the file `fixtures/users.sql` beside the source file.
/// - `fixtures("./sql/users.sql")`: a path, relative to the source file's directory.
/// - `fixtures(path = "sql", scripts("users"))`: the file `sql/users.sql`, relative to the same.
///
/// ## `timeout`
///
/// `timeout = "30s"`: the longest time that the body may take, as a whole number and a unit: `ms`,
/// `s`, or `m` (`min`). Default: no limit. A body that blocks its thread, as that of a plain `fn` does,
/// fails one second later at the latest, and its thread is left alone.
///
/// ## `flavor`, `worker_threads`
///
/// The tokio runtime that the body runs on, as in `#[tokio::test]`: `flavor = "current_thread"`, the
/// default, or `flavor = "multi_thread"`, with `worker_threads = 2` for a number of threads other
/// than one per core.
///
/// ## `crate`
///
/// `crate = my_crate::container_test`: the path of `container_test`, where a test can name it only
/// through another crate. Default: `::container_test`.
///
/// A crate that has renamed the dependency, as in `ct = { package = "container-test", … }`, writes
/// `crate = ct`. Without that, the compiler says that it could not find `container_test`. Instead of
/// every test, the root of a test file can name it once: `extern crate ct as container_test;`.
///
/// # Tests that need a feature
///
/// A crate can require a feature for its tests, by an entry of its `Cargo.toml`:
///
/// ```toml
/// [features]
/// integration = []
///
/// [package.metadata.container-test]
/// gate = "integration"
/// ```
///
/// Its annotated tests are then ignored, with a reason, unless the feature is on. They are compiled
/// in any case. A test with an `#[ignore]` of its own keeps its reason. A `gate` that names no
/// feature is a compile error. Without the entry, tests are not ignored. Cargo does not recompile the
/// tests if this entry alone is edited.
///
/// # Expansion
///
/// The attribute turns the declaration into one chain of calls. The first test above is, by hand:
///
/// ```ignore
/// #[test]
/// fn signs_up() -> anyhow::Result<()> {
///     async fn signs_up(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> { /* … */ }
///
///     struct Declared;
///     impl Declares<Postgres> for Declared {
///         const NAME: &'static str = "postgres";
///     }
///     impl Declares<Redis> for Declared {
///         const NAME: &'static str = "redis";
///     }
///
///     Test::<Declared>::new(concat!(module_path!(), "::signs_up"), env!("CARGO_MANIFEST_DIR"))
///         .service::<Postgres>("postgres", |_| {})
///         .service::<Redis>("redis", |_| {})
///         .seed_file("postgres", "tests/fixtures/users.sql")
///         .seed_function::<Declared, _, _>("insert_session", insert_session)
///         .timeout(Duration::from_secs(30))
///         .run_result(async |cx: TestContext<Declared>| {
///             let pool: PgPool = inject(&cx).await?;
///             let redis: ConnectionManager = inject(&cx).await?;
///             Ok(signs_up(pool, redis).await)
///         })
/// }
/// ```
///
/// Options set fields, as in `|service| { service.image = Some(text("postgres:18-alpine")); }`. An
/// argument with `#[from(orders)]` is made by `inject_from::<FromOrders, _, _>(&cx)`, whose marker
/// declares `orders` as the only service of its kind. A plain `fn` is called by
/// `.run_plain_result(async |cx| { …; Ok(move || signs_up(pool, redis)) })`. Without a `Result`, the
/// calls are `.run(…)` and `.run_plain(…)`, which return an `ExitCode`.
///
/// # Errors
///
/// Every mistake is an error on the word at fault that says what to write instead; all are reported
/// at once, together with those of the body.
#[proc_macro_attribute]
pub fn container_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let site = Site::of_this_call();
    transform(arguments.into(), &item.into(), &site).into()
}

/// What an entry of the attribute is.
const ENTRY: &str =
    "a service or an option, as in `#[container_test(postgres, timeout = \"30s\")]`";

/// The whole attribute, on tokens that need no compiler.
fn transform(
    arguments: proc_macro2::TokenStream,
    item: &proc_macro2::TokenStream,
    site: &Site,
) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let entries = parse::entries(arguments, ENTRY, &mut errors);
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
