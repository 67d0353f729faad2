//! The example of the README.

use container_test::container_test;
use container_test::redis::{AsyncCommands, RedisResult, aio::ConnectionManager};
use container_test::sqlx::{self, PgPool};

#[container_test(postgres, redis, seeds(insert_session))]
async fn a_user_signs_up(
    pool: PgPool,
    mut redis: ConnectionManager,
) -> Result<(), Box<dyn std::error::Error>> {
    let id: i64 = sqlx::query_scalar("INSERT INTO users (email) VALUES ($1) RETURNING id")
        .bind("grace@example.com")
        .fetch_one(&pool)
        .await?;
    assert_eq!(id, 1);

    let session: String = redis.get("session:1").await?;
    assert_eq!(session, "grace@example.com");
    Ok(())
}

async fn insert_session(mut redis: ConnectionManager) -> RedisResult<()> {
    redis.set("session:1", "grace@example.com").await
}
