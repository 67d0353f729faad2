//! A container per test, migrated and removed by the test.

use container_test_bench::{MIGRATOR, now, variable, workload};
use sqlx::{Connection, PgConnection};
use testcontainers_modules::postgres::Postgres;
use testcontainers_modules::testcontainers::ImageExt;
use testcontainers_modules::testcontainers::runners::AsyncRunner;

async fn in_a_container() -> Result<(), Box<dyn std::error::Error>> {
    let start = now();
    let image = variable("BENCH_IMAGE");
    let (name, tag) = image.rsplit_once(':').expect("an image with a tag");
    let container = Postgres::default()
        .with_name(name)
        .with_tag(tag)
        .with_label("container-test.bench", variable("BENCH_RUN"))
        .start()
        .await?;
    let port = container.get_host_port_ipv4(5432).await?;
    let url = format!("postgres://postgres:postgres@127.0.0.1:{port}/postgres");
    let mut connection = PgConnection::connect(&url).await?;
    MIGRATOR.run(&mut connection).await?;
    workload(start, &mut connection).await?;
    connection.close().await?;
    container.rm().await?;
    Ok(())
}

// Repeated by the benchmark from here on.
#[tokio::test]
async fn t0000() -> Result<(), Box<dyn std::error::Error>> {
    in_a_container().await
}
