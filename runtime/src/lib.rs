//! Integration tests against real PostgreSQL and Redis, declared in one attribute.
//!
//! The attribute [`container_test`](macro@container_test) makes a test of a function. It finds or
//! starts the servers that the test declares, gives the test a part of each that belongs to it
//! alone, applies migrations and seeds, and makes the arguments by their types. Servers that were
//! started end by themselves, however the process of the test ends.
//!
//! # A first test
//!
//! This is the whole of it. It needs a Docker engine that answers, or the server programs on the
//! machine:
//!
//! ```test_harness
//! use container_test::container_test;
//! use container_test::redis::{AsyncCommands, aio::ConnectionManager};
//! use container_test::sqlx::{self, PgPool};
//!
//! #[container_test(
//!     postgres,
//!     redis,
//!     migrations = ["CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY, email text)"],
//!     timeout = "30s",
//! )]
//! async fn a_user_signs_up(
//!     pool: PgPool,
//!     mut redis: ConnectionManager,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let id: i64 = sqlx::query_scalar("INSERT INTO users (email) VALUES ($1) RETURNING id")
//!         .bind("grace@example.com")
//!         .fetch_one(&pool)
//!         .await?;
//!     assert_eq!(id, 1);
//!
//!     let (): () = redis.set("session:1", id).await?;
//!     assert_eq!(redis.get::<_, i64>("session:1").await?, id);
//!     Ok(())
//! }
//! ```
//!
//! # Services
//!
//! A test declares [`postgres`](Postgres), [`redis`](Redis), or any type that implements [`Service`] by
//! its path. Options stand in parentheses; they are the fields of the type. A service can have a name,
//! so that a test can have several of a kind, and `#[from(name)]` before an argument says which one the
//! argument comes from. [The attribute](macro@container_test) describes every word.
//!
//! ```test_harness
//! use container_test::container_test;
//! use container_test::sqlx::PgPool;
//!
//! #[container_test(
//!     orders = postgres(migrations = ["CREATE TABLE orders (id int)"]),
//!     billing = postgres(migrations = false),
//! )]
//! async fn two_databases(#[from(orders)] orders: PgPool, #[from(billing)] billing: PgPool) {
//!     let name = |pool: &PgPool| pool.connect_options().get_database().map(str::to_owned);
//!     assert_ne!(name(&orders), name(&billing));
//! }
//! ```
//!
//! # Schema and seeds
//!
//! Migrations are a directory of SQL files as sqlx names them, a list of SQL scripts, the path of a
//! migrator or of a function, or `false`. Without a word about them, they are the directory `migrations`
//! beside `Cargo.toml`, if there is one. [`IntoMigrations`] lists the migrators: with features, those of
//! sqlx 0.8, diesel, refinery and sea-orm.
//!
//! They are applied once per content, into a template database; the database of a test is a clone of
//! it.
//!
//! Seeds are SQL files, Redis command files and functions with injectable arguments. Leading SQL
//! files become part of a template. If one of them reads the clock or draws random numbers, it and
//! those after it are applied for each test, so their values are new. Migrations that insert such
//! values are applied again after 15 minutes at most.
//!
//! ```test_harness
//! use container_test::{Database, Result, container_test};
//! use container_test::sqlx::{self, PgPool};
//!
//! #[container_test(
//!     postgres,
//!     migrations = ["CREATE TABLE users (email text)"],
//!     seeds(insert_grace),
//! )]
//! async fn grace_is_there(database: Database) -> Result<()> {
//!     assert_eq!(database.row_count("users").await?, 1);
//!     Ok(())
//! }
//!
//! async fn insert_grace(pool: PgPool) -> Result<(), sqlx::Error> {
//!     sqlx::query("INSERT INTO users VALUES ('grace@example.com')").execute(&pool).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Isolation
//!
//! By default a test has a database or a logical database of Redis on a server that tests share. What
//! belongs to the whole server, such as roles, settings and publish/subscribe channels, is shared. A
//! shared Redis that was started refuses commands that reach into the keyspaces of other tests. The
//! README of the repository lists all limits, each with what to do instead.
//!
//! `isolation = "server"` gives a test a server that no other test uses, and that refuses nothing. It
//! ends 2 s after the test.
//!
//! After a test, its database serves another test only if it is proven to equal its template. In every
//! other case it is dropped. That takes PostgreSQL 15 or newer on a server that was started, and a
//! test that connects as the administrator, as tests without `user` do.
//!
//! # Providers
//!
//! Each service runs on the first of these that can be used:
//!
//! 1. *external*: a server that an environment variable names by its URL, such as
//!    `CONTAINER_TEST_POSTGRES_URL` or `CONTAINER_TEST_REDIS_URL`;
//! 2. *docker*: a container of the engine that answers;
//! 3. *local*: a program that is installed on the machine.
//!
//! An engine is reached through testcontainers (the feature `testcontainers`, which is on by default)
//! or through the program `docker`, `podman` or `nerdctl`. `CONTAINER_TEST_ENGINE=library`, `docker`,
//! `podman` or `nerdctl` forces one of these ways.
//!
//! `CONTAINER_TEST_PROVIDER=docker`, `local` or `external` forces one, and `CONTAINER_TEST_VERBOSE=1`
//! prints the choice and its reason. A server is found by all tests, processes and projects of one user
//! that ask for the same one.
//!
//! # Clients
//!
//! | argument | service | feature |
//! |---|---|---|
//! | [`sqlx::PgPool`], [`sqlx::pool::PoolConnection<Postgres>`](sqlx::pool::PoolConnection), [`sqlx::PgConnection`], [`sqlx::postgres::PgConnectOptions`], [`Database`] | [`Postgres`] | `postgres` (default) |
//! | the same types of sqlx 0.8 | [`Postgres`] | `sqlx-0_8` |
//! | `sea_orm::DatabaseConnection` of sea-orm 2, of sea-orm 1.1 | [`Postgres`] | `sea-orm-2`, `sea-orm-1` |
//! | `tokio_postgres::Client`, `Config` | [`Postgres`] | `tokio-postgres` |
//! | `deadpool_postgres::Pool`, `bb8::Pool<PostgresConnectionManager<NoTls>>` | [`Postgres`] | `deadpool-postgres`, `bb8-postgres` |
//! | `diesel::PgConnection`, `diesel::r2d2::Pool<ConnectionManager<PgConnection>>` | [`Postgres`] | `diesel` |
//! | `diesel_async::AsyncPgConnection`, and its `deadpool::Pool` and `bb8::Pool` | [`Postgres`] | `diesel-async` |
//! | [`redis::Client`], [`redis::aio::MultiplexedConnection`], [`redis::aio::ConnectionManager`], [`Keyspace`] | [`Redis`] | `redis` (default) |
//! | the same types of redis 0.32 | [`Redis`] | `redis-0_32` |
//! | `deadpool_redis::Pool`, `bb8::Pool<RedisConnectionManager>` | [`Redis`] | `deadpool-redis`, `bb8-redis` |
//! | `fred::clients::Client`, `Pool` | [`Redis`] | `fred` |
//! | [`TestContext`] | none | |
//!
//! sqlx 0.9 and redis 1 are re-exported as [`sqlx`] and [`redis`]. Clients without TLS connect to servers
//! that were started, and to servers given by URL that take unencrypted connections. Any other client
//! connects with [`Database::url`] or [`Keyspace::url`]. For types of your own, implement [`FromContext`].
//!
//! # When a test fails
//!
//! Its output says what it ran on, the error that its body has returned, what PostgreSQL has logged
//! about its database, and which steps were slow. A test that
//! cannot be provided with what it declares fails with an [`Error`], whose report says what failed, why,
//! and what to do next. With `CONTAINER_TEST_KEEP=1` the database and the keyspace of a failed test are
//! retained, and commands are printed that look at them and that remove them.
//!
//! With `CONTAINER_TEST_TIMELINE=file` every test appends its steps with their times to the file, as trace
//! events. `cargo container-test timeline file` makes a page of them.
//!
//! # The builder
//!
//! [`Builder`] provides the same services to what is no `#[test]`, such as a benchmark or another test
//! harness.
//!
//! # Questions
//!
//! **Can a test file be compiled without running its tests?** Yes: name a feature as `gate` in
//! `[package.metadata.container-test]` of `Cargo.toml`. Tests are ignored, with a reason, unless it is
//! on. See [the attribute](macro@container_test#tests-that-need-a-feature).
//!
//! **Why is `DATABASE_URL` not used?** It may name a database with data of the application.
//!
//! **Is anything left if a process is killed?** No server: each ends by itself when no process is
//! connected to it. On a server given by URL, the next test process drops what a dead one has left.
//!
//! **Does a test pay for its migrations?** The first test with a new list of migrations does. All others
//! get a clone or a recycled database.
//!
//! **May a test start threads, spawn tasks and open connections?** Yes. Tasks end with the runtime of the
//! test, and the address of its database leads nowhere then. A database is dropped rather than recycled
//! if a connection to it is still open.
//!
//! **Which runtime does the body run on?** A tokio runtime of its own with one thread, or with several by
//! `flavor = "multi_thread"`. The body of a plain `fn` runs on none.
//!
//! **Can `cargo test` and `cargo nextest` be used both?** Yes. With nextest each test is a process, which
//! finds the servers that the others have started.

// The core serves both wings: without one of them some of it is not used.
#![cfg_attr(
    not(all(feature = "postgres", feature = "redis")),
    allow(dead_code, unused_imports)
)]

mod background;
mod builder;
mod config;
mod context;
mod error;
mod hash;
#[cfg(feature = "testcontainers")]
mod image;
mod inject;
mod lifecycle;
mod once;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod provide;
mod provider;
mod record;
// `redis` itself is the client, which is re-exported below.
#[cfg(feature = "redis")]
#[path = "redis/mod.rs"]
mod redis_service;
mod report;
mod run;
mod seeds;
mod service;
mod timeline;

#[doc(hidden)]
pub mod __private;

pub use builder::{Builder, Services};
pub use container_test_macros::container_test;
pub use context::TestContext;
pub use error::{Error, Result};
#[cfg(feature = "testcontainers")]
pub use image::{AnyImage, Container};
pub use inject::{Declares, FromContext};
#[cfg(feature = "postgres")]
pub use postgres::{Database, IntoMigrations, Migrations, Postgres};
#[cfg(feature = "testcontainers")]
pub use provider::{ContainerImage, ExecOutput};
#[cfg(feature = "redis")]
pub use redis;
#[cfg(feature = "redis")]
pub use redis_service::{Keyspace, Redis};
pub use seeds::{SeedArguments, SeedFunction, SeedOutput};
pub use service::{
    Address, BoxError, ContainerSetup, Endpoint, Isolation, LocalProgram, OpenError, Returned,
    ServerSpec, Service, Slot, SlotRequest,
};
#[cfg(feature = "postgres")]
pub use sqlx;
#[cfg(feature = "testcontainers")]
pub use testcontainers;
#[cfg(feature = "testcontainers")]
pub use testcontainers::GenericImage;
