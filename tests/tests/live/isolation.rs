//! Tests that would meet if they shared anything; they run beside each other.

use container_test::container_test;
use container_test::redis::AsyncCommands;
use container_test::redis::aio::ConnectionManager;
use container_test::sqlx::PgPool;

async fn claims_the_only_name(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
    for round in 0..3 {
        let id: i64 = sqlx::query_scalar("INSERT INTO accounts (name) VALUES ($1) RETURNING id")
            .bind(format!("only-{round}"))
            .fetch_one(&pool)
            .await?;
        assert_eq!(id, round + 1);
        let hits: i64 = redis.incr("hits", 1).await?;
        assert_eq!(hits, round + 1);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Ok(())
}

macro_rules! side_by_side {
    ($($name:ident)*) => {$(
        #[container_test(postgres, redis, migrations = "db/migrations")]
        async fn $name(pool: PgPool, redis: ConnectionManager) -> anyhow::Result<()> {
            claims_the_only_name(pool, redis).await
        }
    )*};
}

side_by_side! {
    the_first_is_alone the_second_is_alone the_third_is_alone the_fourth_is_alone
    the_fifth_is_alone the_sixth_is_alone the_seventh_is_alone the_eighth_is_alone
    the_ninth_is_alone the_tenth_is_alone the_eleventh_is_alone the_twelfth_is_alone
}

#[container_test(postgres, migrations = "db/migrations")]
async fn a_test_may_use_many_connections(pool: PgPool) -> anyhow::Result<()> {
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await?);
    }
    Ok(())
}

#[container_test(postgres, migrations = "db/migrations")]
async fn a_connection_that_is_never_given_back_harms_no_other_test(
    pool: PgPool,
) -> anyhow::Result<()> {
    std::mem::forget(pool.acquire().await?);
    tokio::spawn(async move {
        let _held = pool.acquire().await;
        std::future::pending::<()>().await;
    });
    Ok(())
}
