use anyhow::Result;
use bb8::Pool;
use bb8_redis::RedisConnectionManager;
use redis::AsyncCommands;

crate::twice!(Pool<RedisConnectionManager>);

async fn counts_to_one(pool: Pool<RedisConnectionManager>) -> Result<()> {
    let count: i64 = pool.get().await?.incr("visits", 1).await?;
    assert_eq!(count, 1);
    let count: i64 = pool.get().await?.get("visits").await?;
    assert_eq!(count, 1);
    Ok(())
}
