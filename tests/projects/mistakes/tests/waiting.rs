//! Tests that take long.

use container_test::container_test;

#[container_test(postgres, migrations = ["SELECT pg_sleep(4)"])]
async fn slow_one() {}

#[container_test(postgres, migrations = ["SELECT pg_sleep(4)"])]
async fn slow_two() {}
