//! Mistakes that only servers from local programs can have.

use container_test::container_test;

#[container_test(postgres(args = ["-c", "shared_preload_libraries=timescaledb"]))]
async fn extension_that_only_an_image_has() {}

#[container_test(redis(args = ["--loadmodule", "/opt/redis-stack/lib/rejson.so"]))]
async fn module_that_only_an_image_has() {}

#[container_test(postgres)]
async fn uses_postgres() {}

#[container_test(redis)]
async fn uses_redis() {}
