//! Eight tests, to be run at the same moment.

use container_test::{Database, Keyspace, container_test};

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[container_test(postgres, redis)]
        async fn $name(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
            assert_eq!(database.row_count("users").await?, 1);
            assert_eq!(keyspace.key_count().await?, 0);
            Ok(())
        }
    )*};
}

tests!(first second third fourth fifth sixth seventh eighth);
