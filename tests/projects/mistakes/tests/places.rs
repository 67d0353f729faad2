//! Mistakes in migrations that a server reports in words of its own.

use container_test::container_test;

#[container_test(postgres, migrations = "wrong/alone")]
async fn statement_that_cannot_be_in_a_transaction() {}

#[container_test(postgres, migrations = ["CREATE TABLE a ();\nVACUUM a"])]
async fn inline_statement_that_cannot_be_in_a_transaction() {}

#[container_test(postgres, migrations = "wrong/value")]
async fn value_that_is_not_committed() {}

#[container_test(postgres, migrations = "wrong/session")]
async fn migration_that_ends_its_own_session() {}

#[container_test(postgres, migrations = "wrong/commit")]
async fn constraint_that_is_checked_at_the_end() {}

#[container_test(postgres, migrations = ["CREATE TABLE a (b int)", "CREATE INDEX CONCURRENTLY c ON a (b)"])]
async fn statement_alone_in_its_migration() {}
