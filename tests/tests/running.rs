//! What `cargo container-test ps` shows: the servers that run, and what tests have of them.

use std::time::{Duration, Instant};

use container_test::__private::{RunningTest, running, running_tests};
use container_test::redis::{self, AsyncCommands};
use container_test::sqlx::{Connection, Executor, PgConnection, PgPool};
use container_test::{Builder, Keyspace, Migrations, Postgres, Redis, container_test};

/// What tests have whose names end so, of servers of this service.
async fn of(service: &str, name: &str) -> anyhow::Result<Vec<RunningTest>> {
    let mut found = Vec::new();
    for server in running().await? {
        if server.service == service {
            let tests = running_tests(&server).await?.into_iter();
            found.extend(tests.filter(|running| running.test.ends_with(name)));
        }
    }
    Ok(found)
}

#[container_test(postgres(migrations = ["CREATE TABLE users (id int)"]))]
async fn a_running_test_is_listed_with_its_database(pool: PgPool) -> anyhow::Result<()> {
    pool.execute("INSERT INTO users VALUES (7)").await?;
    let found = of("postgres", "::a_running_test_is_listed_with_its_database").await?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!found[0].retained);
    let mut looking = PgConnection::connect(&found[0].url).await?;
    let database: String =
        container_test::sqlx::query_scalar("SELECT current_database() FROM users")
            .fetch_one(&mut looking)
            .await?;
    assert_eq!(database, found[0].slot);
    looking.close().await?;
    Ok(())
}

#[container_test(redis)]
async fn a_running_test_is_listed_with_its_keyspace(keyspace: Keyspace) -> anyhow::Result<()> {
    let listed = async || of("redis", "::a_running_test_is_listed_with_its_keyspace").await;
    let mut found = listed().await?;
    if std::env::var_os("CONTAINER_TEST_REDIS_URL").is_some() {
        // Nothing is written to a server of others but what a test needs.
        assert_eq!(found, []);
        return Ok(());
    }
    // Its name is noted a moment after it has begun.
    let begun = Instant::now();
    while found.is_empty() && begun.elapsed() < Duration::from_secs(10) {
        found = listed().await?;
    }
    assert_eq!(found.len(), 1, "{found:?}");
    let connect = async |url: &str| {
        let client = redis::Client::open(url)?;
        client.get_multiplexed_async_connection().await
    };
    let () = connect(keyspace.url()).await?.set("seen", 7).await?;
    let seen: i64 = connect(&found[0].url).await?.get("seen").await?;
    assert_eq!(seen, 7);
    Ok(())
}

#[container_test(timeout = "60s")]
async fn a_test_that_has_ended_is_not_listed() -> anyhow::Result<()> {
    const NAME: &str = "it has ended";
    let mut postgres = Postgres::default();
    postgres.migrations = Migrations::inline(["CREATE TABLE users (id int)"]);
    let services = Builder::new(NAME, env!("CARGO_MANIFEST_DIR"))
        .service(postgres)
        .service(Redis::default())
        .start()
        .await?;
    let counted = async || anyhow::Ok(of("postgres", NAME).await?.len());
    assert_eq!(counted().await?, 1);
    services.stop().await;
    assert_eq!(counted().await?, 0);
    assert_eq!(of("redis", NAME).await?, []);
    Ok(())
}
