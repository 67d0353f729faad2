//! Injection by type.

use container_test::redis::aio::{ConnectionManager, MultiplexedConnection};
use container_test::redis::{AsyncCommands, Client};
use container_test::sqlx::pool::PoolConnection;
use container_test::sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use container_test::sqlx::{ConnectOptions, Postgres};
use container_test::{
    Database, Declares, FromContext, Keyspace, Result, TestContext, container_test,
};

#[container_test(postgres, migrations = ["CREATE TABLE notes (text text)"])]
async fn every_postgres_type_leads_to_the_same_database(
    pool: PgPool,
    mut pooled: PoolConnection<Postgres>,
    mut connection: PgConnection,
    options: PgConnectOptions,
    database: Database,
) -> anyhow::Result<()> {
    const NAME: &str = "SELECT current_database()";
    let name: String = sqlx::query_scalar(NAME).fetch_one(&pool).await?;
    let of_pooled: String = sqlx::query_scalar(NAME).fetch_one(&mut *pooled).await?;
    let of_connection: String = sqlx::query_scalar(NAME).fetch_one(&mut connection).await?;
    let of_options: String = sqlx::query_scalar(NAME)
        .fetch_one(&mut options.connect().await?)
        .await?;
    let of_url: String = sqlx::query_scalar(NAME)
        .fetch_one(&PgPool::connect(database.url()).await?)
        .await?;
    assert_eq!(
        [of_pooled, of_connection, of_options, of_url],
        [(); 4].map(|()| name.clone())
    );
    Ok(())
}

#[container_test(redis)]
async fn every_redis_type_leads_to_the_same_keyspace(
    client: Client,
    mut multiplexed: MultiplexedConnection,
    mut manager: ConnectionManager,
    keyspace: Keyspace,
) -> anyhow::Result<()> {
    let () = client
        .get_multiplexed_async_connection()
        .await?
        .set("a", 1)
        .await?;
    let () = multiplexed.incr("a", 1).await?;
    let () = manager.incr("a", 1).await?;
    let mut by_url = Client::open(keyspace.url())?
        .get_multiplexed_async_connection()
        .await?;
    let value: i64 = by_url.get("a").await?;
    assert_eq!(value, 3);
    Ok(())
}

struct Notes(PgPool);

impl<D: Declares<container_test::Postgres>> FromContext<D> for Notes {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self(cx.get().await?))
    }
}

#[container_test(postgres, migrations = ["CREATE TABLE notes (text text)"])]
async fn types_of_ones_own_share_the_pool(
    notes: Notes,
    pool: PgPool,
    cx: TestContext,
) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO notes VALUES ('a')")
        .execute(&notes.0)
        .await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(&pool)
        .await?;
    assert_eq!(count, 1);
    assert_eq!(
        cx.name(),
        "live::arguments::types_of_ones_own_share_the_pool"
    );
    Ok(())
}

#[container_test]
async fn a_test_may_declare_nothing(cx: TestContext) {
    assert!(cx.name().ends_with("a_test_may_declare_nothing"));
}
