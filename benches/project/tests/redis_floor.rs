//! The floor on Redis: a bare connection to one keyspace that all tests share.

use container_test_bench::{commands, now, variable};

// Repeated by the benchmark from here on.
#[tokio::test]
async fn t0000() -> redis::RedisResult<()> {
    let start = now();
    let client = redis::Client::open(variable("REDIS_URL"))?;
    commands(start, &mut client.get_multiplexed_async_connection().await?).await
}
