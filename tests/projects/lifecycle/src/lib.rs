//! Unit tests that need servers.

#[cfg(test)]
mod tests {
    use container_test::sqlx::PgPool;
    use container_test::{Database, Keyspace, container_test};

    #[container_test(postgres, redis)]
    async fn unit_tests_share_the_servers(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
        assert_eq!(database.row_count("users").await?, 1);
        assert_eq!(keyspace.key_count().await?, 0);
        Ok(())
    }

    #[container_test(postgres)]
    async fn unit_tests_run_beside_each_other(_pool: PgPool) {}
}
