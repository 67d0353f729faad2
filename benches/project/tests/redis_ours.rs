//! This crate, on Redis.

use container_test::container_test;
use container_test_bench::{commands, now};
use redis::aio::MultiplexedConnection;

// Repeated by the benchmark from here on.
#[container_test(redis)]
async fn t0000(mut redis: MultiplexedConnection) -> redis::RedisResult<()> {
    let start = now();
    commands(start, &mut redis).await
}
