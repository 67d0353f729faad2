//! The example of the README.

use container_test::container_test;
use container_test::redis::{AsyncCommands, aio::ConnectionManager};
use container_test::sqlx::{self, PgPool};

#[container_test(postgres, redis, seeds("users", insert_session))]
async fn a_new_user_gets_the_next_number(
    pool: PgPool,
    mut redis: ConnectionManager,
) -> anyhow::Result<()> {
    let id: i64 = sqlx::query_scalar("INSERT INTO users (email) VALUES ($1) RETURNING id")
        .bind("grace@example.com")
        .fetch_one(&pool)
        .await?;
    assert_eq!(id, 2);

    let session: String = redis.get("session:1").await?;
    assert_eq!(session, "ada@example.com");
    Ok(())
}

async fn insert_session(mut redis: ConnectionManager) -> anyhow::Result<()> {
    Ok(redis.set("session:1", "ada@example.com").await?)
}
