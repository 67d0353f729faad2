//! Each client of PostgreSQL writes and reads, in a database that no other test has written to, and
//! each tool's migrations make one.

mod bb8_postgres;
mod deadpool_postgres;
mod diesel;
mod diesel_async;
mod errors;
mod migrations;
mod sea_orm_1;
mod sea_orm_2;
mod sqlx_0_8;
mod tokio_postgres;

/// Makes two tests of one that writes the first note: one of them runs after the other, or beside
/// it, and finds an empty table all the same.
macro_rules! twice {
    // For clients that block.
    (fn $client:ty) => {
        #[container_test::container_test(postgres)]
        fn a_first_test_writes_the_first_note(client: $client) -> anyhow::Result<()> {
            writes_the_first_note(client)
        }

        #[container_test::container_test(postgres)]
        fn a_second_test_writes_the_first_note(client: $client) -> anyhow::Result<()> {
            writes_the_first_note(client)
        }
    };
    ($client:ty) => {
        #[container_test::container_test(postgres)]
        async fn a_first_test_writes_the_first_note(client: $client) -> anyhow::Result<()> {
            writes_the_first_note(client).await
        }

        #[container_test::container_test(postgres)]
        async fn a_second_test_writes_the_first_note(client: $client) -> anyhow::Result<()> {
            writes_the_first_note(client).await
        }
    };
}
use twice;
