//! More tests at a time than a small server has room for.

use std::time::Duration;

use container_test::redis::AsyncCommands;
use container_test::redis::aio::ConnectionManager;
use container_test::sqlx::postgres::PgConnectOptions;
use container_test::sqlx::{self, Connection, PgConnection, PgPool};
use container_test::{Keyspace, container_test};

/// Uses all connections that a test may have.
async fn use_all_connections(pool: PgPool) -> anyhow::Result<()> {
    let one = async || sqlx::query("SELECT pg_sleep(0.2)").execute(&pool).await;
    let _ = tokio::try_join!(one(), one(), one(), one(), one())?;
    Ok(())
}

/// Takes longer than others wait in silence, if there are more than two of it.
async fn use_keyspace(keyspace: Keyspace, mut redis: ConnectionManager) -> anyhow::Result<()> {
    assert_eq!(keyspace.key_count().await?, 0);
    let () = redis.set("a", 1).await?;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(keyspace.key_count().await?, 1);
    Ok(())
}

macro_rules! crowd {
    ($($postgres:ident $both:ident $redis:ident)*) => {$(
        #[container_test(postgres)]
        async fn $postgres(pool: PgPool) -> anyhow::Result<()> {
            use_all_connections(pool).await
        }

        #[container_test(postgres, redis)]
        async fn $both(pool: PgPool, keyspace: Keyspace) -> anyhow::Result<()> {
            assert_eq!(keyspace.key_count().await?, 0);
            use_all_connections(pool).await
        }

        #[container_test(redis)]
        async fn $redis(keyspace: Keyspace, redis: ConnectionManager) -> anyhow::Result<()> {
            use_keyspace(keyspace, redis).await
        }
    )*};
}

crowd! {
    postgres_1 both_1 redis_1
    postgres_2 both_2 redis_2
    postgres_3 both_3 redis_3
    postgres_4 both_4 redis_4
    postgres_5 both_5 redis_5
    postgres_6 both_6 redis_6
    postgres_7 both_7 redis_7
    postgres_8 both_8 redis_8
}

/// Takes all connections that the server has, for a moment.
async fn crowd_the_server(options: PgConnectOptions) {
    let mut all = Vec::new();
    while let Ok(connection) = PgConnection::connect_with(&options).await {
        all.push(connection);
    }
    tokio::spawn(async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(all);
    });
}

#[container_test(postgres, seeds(crowd_the_server))]
async fn connects_when_others_leave(_connection: PgConnection) {}

#[container_test(postgres, migrations = ["CREATE TABLE other (id int)"])]
async fn other_template(_pool: PgPool) {}

/// Holds a place and a keyspace until it is killed.
#[container_test(postgres, redis)]
async fn holds_on_1(_pool: PgPool, _redis: ConnectionManager) {
    tokio::time::sleep(Duration::from_secs(600)).await;
}

#[container_test(postgres, redis)]
async fn holds_on_2(_pool: PgPool, _redis: ConnectionManager) {
    tokio::time::sleep(Duration::from_secs(600)).await;
}
