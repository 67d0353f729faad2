//! Each client of Redis writes and reads, in a keyspace that no other test has written to.

mod bb8_redis;
mod deadpool_redis;
mod fred;
mod redis_0_32;

/// Makes two tests of one that counts to one: one of them runs after the other, or beside it, and
/// finds an empty keyspace all the same.
macro_rules! twice {
    ($client:ty) => {
        #[container_test::container_test(redis)]
        async fn a_first_test_counts_to_one(client: $client) -> anyhow::Result<()> {
            counts_to_one(client).await
        }

        #[container_test::container_test(redis)]
        async fn a_second_test_counts_to_one(client: $client) -> anyhow::Result<()> {
            counts_to_one(client).await
        }
    };
}
use twice;
