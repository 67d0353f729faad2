use anyhow::Result;
use deadpool_redis::Pool;
use redis::AsyncCommands;

crate::twice!(Pool);

async fn counts_to_one(pool: Pool) -> Result<()> {
    let count: i64 = pool.get().await?.incr("visits", 1).await?;
    assert_eq!(count, 1);
    let count: i64 = pool.get().await?.get("visits").await?;
    assert_eq!(count, 1);
    Ok(())
}
