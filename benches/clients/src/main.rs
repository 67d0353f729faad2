//! Measures every client: from the end of a test to the first answer of the next one, with this
//! crate and with a bare connection, in turns. Prints a line for each client: its name, and the two
//! medians in milliseconds. The first argument says how often each is measured.

use std::hint::black_box;
use std::time::{Duration, Instant};

use container_test::{Builder, FromContext, Postgres, Redis, TestContext};
use container_test_bench::{FLOOR, url_of, variable};

/// The project whose migrations are applied.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../project");

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(Ok(20), |text| text.parse())?;
    postgres::all(rounds)?;
    redis_clients::all(rounds)
}

/// A client of some service.
trait Client: FromContext<()> + 'static {
    const NAME: &'static str;
    /// Connects by hand, as a test without this crate does.
    async fn connect() -> Result<Self>;
    /// Sends one query and waits for its answer.
    async fn first_answer(&mut self) -> Result<()>;
    /// Writes something, as tests do.
    async fn write(&mut self) -> Result<()>;
    fn declare(builder: Builder) -> Builder;
}

/// What is noted of one test: from its beginning to its first answer, and from its body's end to
/// its own end.
struct Noted {
    first_answer: Duration,
    rest: Duration,
}

fn measure<C: Client>(rounds: u32) -> Result<()> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        floor.push(by_hand::<C>()?);
        ours.push(with_this_crate::<C>()?);
    }
    println!("{} {:.3} {:.3}", C::NAME, ready(&ours), ready(&floor));
    Ok(())
}

fn with_this_crate<C: Client>() -> Result<Noted> {
    let begun = Instant::now();
    let builder = C::declare(Builder::new(C::NAME, PROJECT));
    let (first_answer, ended) = builder.run(async |cx: TestContext| {
        let mut client: C = cx.get().await?;
        body(begun, &mut client)
            .await
            .map_err(|error| container_test::Error::new("use the client").because(error.to_string()))
    })?;
    Ok(Noted {
        first_answer,
        rest: ended.elapsed(),
    })
}

/// As `#[tokio::test]`: a runtime, and on it a connection.
fn by_hand<C: Client>() -> Result<Noted> {
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (first_answer, ended) = runtime.block_on(async {
        let mut client = C::connect().await?;
        body(begun, &mut client).await
    })?;
    drop(runtime);
    Ok(Noted {
        first_answer,
        rest: ended.elapsed(),
    })
}

async fn body<C: Client>(begun: Instant, client: &mut C) -> Result<(Duration, Instant)> {
    client.first_answer().await?;
    let first_answer = begun.elapsed();
    client.write().await?;
    Ok((first_answer, Instant::now()))
}

/// The median of: the end of one test, and the next one up to its first answer.
fn ready(noted: &[Noted]) -> f64 {
    let pairs = noted.iter().zip(noted.iter().skip(1));
    let mut times: Vec<f64> = pairs
        .map(|(before, after)| (before.rest + after.first_answer).as_secs_f64() * 1000.0)
        .collect();
    times.sort_by(f64::total_cmp);
    black_box(times[times.len() / 2])
}

mod postgres {
    use diesel::{Connection as _, RunQueryDsl as _};
    use diesel_async::AsyncConnection as _;
    use sea_orm::ConnectionTrait as _;
    use sea_orm_1::ConnectionTrait as _;
    // Their traits have the names of those of sqlx.
    use sqlx_core_0_8::{connection::Connection as Connection08, executor::Executor as Executor08};

    use super::*;

    const ASK: &str = "SELECT price_cents FROM products WHERE sku = 'books-1'";
    const WRITE: &str =
        "INSERT INTO customers (email, name, country) VALUES (gen_random_uuid()::text, 'Ada', 'DE')";

    fn url() -> String {
        url_of(FLOOR)
    }

    pub(super) fn all(rounds: u32) -> Result<()> {
        measure::<sqlx::PgPool>(rounds)?;
        measure::<sqlx::PgConnection>(rounds)?;
        measure::<sqlx_postgres_0_8::PgPool>(rounds)?;
        measure::<sqlx_postgres_0_8::PgConnection>(rounds)?;
        measure::<sea_orm::DatabaseConnection>(rounds)?;
        measure::<sea_orm_1::DatabaseConnection>(rounds)?;
        measure::<tokio_postgres::Client>(rounds)?;
        measure::<deadpool_postgres::Pool>(rounds)?;
        measure::<Bb8>(rounds)?;
        measure::<diesel::PgConnection>(rounds)?;
        measure::<R2d2>(rounds)?;
        measure::<diesel_async::AsyncPgConnection>(rounds)?;
        measure::<DieselDeadpool>(rounds)?;
        measure::<DieselBb8>(rounds)
    }

    type Bb8 = bb8::Pool<bb8_postgres::PostgresConnectionManager<tokio_postgres::NoTls>>;
    type DieselDeadpool = diesel_async::pooled_connection::deadpool::Pool<diesel_async::AsyncPgConnection>;
    type DieselBb8 = diesel_async::pooled_connection::bb8::Pool<diesel_async::AsyncPgConnection>;
    type R2d2 = diesel::r2d2::Pool<diesel::r2d2::ConnectionManager<diesel::PgConnection>>;

    /// Implements `Client`: its type and name, how it connects, and how it runs a statement.
    macro_rules! client {
        ($client:ty, $name:literal, $connect:expr, |$it:ident, $sql:ident| $run:expr) => {
            impl Client for $client {
                const NAME: &'static str = $name;

                async fn connect() -> Result<Self> {
                    Ok($connect)
                }

                async fn first_answer(&mut self) -> Result<()> {
                    let ($it, $sql) = (self, ASK);
                    $run;
                    Ok(())
                }

                async fn write(&mut self) -> Result<()> {
                    let ($it, $sql) = (self, WRITE);
                    $run;
                    Ok(())
                }

                fn declare(builder: Builder) -> Builder {
                    builder.service(Postgres::default())
                }
            }
        };
    }

    client!(sqlx::PgPool, "sqlx-0.9-pool", sqlx::PgPool::connect(&url()).await?,
        |it, sql| sqlx::Executor::execute(&*it, sql).await?);
    client!(sqlx::PgConnection, "sqlx-0.9-connection", <sqlx::PgConnection as sqlx::Connection>::connect(&url()).await?,
        |it, sql| sqlx::Executor::execute(it, sql).await?);
    client!(sqlx_postgres_0_8::PgPool, "sqlx-0.8-pool", sqlx_postgres_0_8::PgPool::connect(&url()).await?,
        |it, sql| Executor08::execute(&*it, sql).await?);
    client!(sqlx_postgres_0_8::PgConnection, "sqlx-0.8-connection", <sqlx_postgres_0_8::PgConnection as Connection08>::connect(&url()).await?,
        |it, sql| Executor08::execute(it, sql).await?);
    client!(sea_orm::DatabaseConnection, "sea-orm-2", sea_orm::Database::connect(url()).await?,
        |it, sql| it.execute_unprepared(sql).await?);
    client!(sea_orm_1::DatabaseConnection, "sea-orm-1.1", sea_orm_1::Database::connect(url()).await?,
        |it, sql| it.execute_unprepared(sql).await?);
    client!(tokio_postgres::Client, "tokio-postgres",
        {
            let (client, connection) = tokio_postgres::connect(&url(), tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client
        },
        |it, sql| it.batch_execute(sql).await?);
    client!(deadpool_postgres::Pool, "deadpool-postgres",
        {
            let manager = deadpool_postgres::Manager::new(url().parse()?, tokio_postgres::NoTls);
            deadpool_postgres::Pool::builder(manager).max_size(5).build()?
        },
        |it, sql| it.get().await?.batch_execute(sql).await?);
    client!(Bb8, "bb8-postgres",
        {
            let manager = bb8_postgres::PostgresConnectionManager::new(url().parse()?, tokio_postgres::NoTls);
            bb8::Pool::builder().max_size(5).build_unchecked(manager)
        },
        |it, sql| it.get().await?.batch_execute(sql).await?);
    client!(diesel::PgConnection, "diesel", diesel::PgConnection::establish(&url())?,
        |it, sql| diesel::sql_query(sql).execute(it)?);
    client!(R2d2, "diesel-r2d2",
        diesel::r2d2::Pool::builder().max_size(5).min_idle(Some(0)).build(diesel::r2d2::ConnectionManager::new(url()))?,
        |it, sql| diesel::sql_query(sql).execute(&mut it.get()?)?);
    client!(diesel_async::AsyncPgConnection, "diesel-async", diesel_async::AsyncPgConnection::establish(&url()).await?,
        |it, sql| diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), it).await?);
    client!(DieselDeadpool, "diesel-async-deadpool",
        DieselDeadpool::builder(diesel_async::pooled_connection::AsyncDieselConnectionManager::new(url())).max_size(5).build()?,
        |it, sql| diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut *it.get().await?).await?);
    client!(DieselBb8, "diesel-async-bb8",
        DieselBb8::builder().max_size(5).build_unchecked(diesel_async::pooled_connection::AsyncDieselConnectionManager::new(url())),
        |it, sql| diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut *it.get().await?).await?);
}

mod redis_clients {
    use fred::interfaces::ClientLike as _;

    use super::*;

    fn url() -> String {
        variable("REDIS_URL")
    }

    pub(super) fn all(rounds: u32) -> Result<()> {
        measure::<redis::aio::MultiplexedConnection>(rounds)?;
        measure::<redis::aio::ConnectionManager>(rounds)?;
        measure::<redis_0_32::aio::MultiplexedConnection>(rounds)?;
        measure::<deadpool_redis::Pool>(rounds)?;
        measure::<bb8::Pool<bb8_redis::RedisConnectionManager>>(rounds)?;
        measure::<fred::clients::Client>(rounds)?;
        measure::<fred::clients::Pool>(rounds)
    }

    /// Implements `Client`: its type and name, how it connects, and how it writes a key.
    macro_rules! client {
        ($client:ty, $name:literal, $connect:expr, |$it:ident| $run:expr) => {
            impl Client for $client {
                const NAME: &'static str = $name;

                async fn connect() -> Result<Self> {
                    Ok($connect)
                }

                async fn first_answer(&mut self) -> Result<()> {
                    let $it = self;
                    $run;
                    Ok(())
                }

                async fn write(&mut self) -> Result<()> {
                    self.first_answer().await
                }

                fn declare(builder: Builder) -> Builder {
                    builder.service(Redis::default())
                }
            }
        };
    }

    client!(redis::aio::MultiplexedConnection, "redis-1",
        redis::Client::open(url())?.get_multiplexed_async_connection().await?,
        |it| redis::cmd("SET").arg("key").arg(1).query_async::<()>(it).await?);
    client!(redis::aio::ConnectionManager, "redis-1-manager",
        redis::Client::open(url())?.get_connection_manager().await?,
        |it| redis::cmd("SET").arg("key").arg(1).query_async::<()>(it).await?);
    client!(redis_0_32::aio::MultiplexedConnection, "redis-0.32",
        redis_0_32::Client::open(url())?.get_multiplexed_async_connection().await?,
        |it| redis_0_32::cmd("SET").arg("key").arg(1).query_async::<()>(it).await?);
    client!(deadpool_redis::Pool, "deadpool-redis",
        {
            let manager = deadpool_redis::Manager::new(url())?;
            deadpool_redis::Pool::builder(manager).max_size(5).build()?
        },
        |it| redis::cmd("SET").arg("key").arg(1).query_async::<()>(&mut it.get().await?).await?);
    client!(bb8::Pool<bb8_redis::RedisConnectionManager>, "bb8-redis",
        bb8::Pool::builder().max_size(5).build_unchecked(bb8_redis::RedisConnectionManager::new(url())?),
        |it| redis::cmd("SET").arg("key").arg(1).query_async::<()>(&mut *it.get().await?).await?);
    client!(fred::clients::Client, "fred",
        {
            let config = fred::types::config::Config::from_url(&url())?;
            let client = fred::clients::Client::new(config, None, None, None);
            client.init().await?;
            client
        },
        |it| fred::interfaces::KeysInterface::set::<(), _, _>(it, "key", 1, None, None, false).await?);
    client!(fred::clients::Pool, "fred-pool",
        {
            let config = fred::types::config::Config::from_url(&url())?;
            let pool = fred::clients::Pool::new(config, None, None, None, 5)?;
            pool.init().await?;
            pool
        },
        |it| fred::interfaces::KeysInterface::set::<(), _, _>(it, "key", 1, None, None, false).await?);
}
