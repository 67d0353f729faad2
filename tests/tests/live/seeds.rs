//! Seeds: files by name and path, Redis commands, functions, in the order written.

use container_test::redis::AsyncCommands;
use container_test::redis::aio::MultiplexedConnection;
use container_test::sqlx::{PgConnection, PgPool};
use container_test::{Database, container_test};

#[container_test(postgres, migrations = "db/migrations", seeds("accounts", "payments"))]
async fn files_are_found_by_name(database: Database) -> anyhow::Result<()> {
    assert_eq!(database.row_count("accounts").await?, 2);
    assert_eq!(database.row_count("payments").await?, 2);
    Ok(())
}

async fn another_account(mut connection: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO accounts (name) VALUES ('barbara')")
        .execute(&mut connection)
        .await?;
    Ok(())
}

#[container_test(
    postgres,
    redis,
    migrations = "db/migrations",
    seeds(
        "accounts",
        another_account,
        "../../fixtures/payments.sql",
        "session",
        remember_accounts
    )
)]
async fn seeds_are_applied_in_the_order_written(
    database: Database,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    assert_eq!(
        database.row_count("payments").await?,
        3,
        "the function ran before the file"
    );
    let session: String = redis.get("session:1").await?;
    assert_eq!(session, "ada \"the first\"");
    let list: Vec<String> = redis.lrange("list", 0, -1).await?;
    assert_eq!(list, ["a", "b", "c d"]);
    let cached: i64 = redis.get("accounts").await?;
    assert_eq!(cached, 3);
    Ok(())
}

async fn remember_accounts(pool: PgPool, mut redis: MultiplexedConnection) -> anyhow::Result<()> {
    let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts")
        .fetch_one(&pool)
        .await?;
    Ok(redis.set("accounts", accounts).await?)
}
