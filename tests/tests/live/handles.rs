//! The handles to database and keyspace.

use container_test::redis::AsyncCommands;
use container_test::redis::aio::MultiplexedConnection;
use container_test::sqlx::PgPool;
use container_test::{Database, Keyspace, TestContext, container_test};

const SCHEMA: &str = r#"
    CREATE SCHEMA billing;
    CREATE TABLE customers (id serial PRIMARY KEY, name text);
    CREATE TABLE billing.invoices (id int GENERATED ALWAYS AS IDENTITY, customer int REFERENCES customers);
    CREATE TABLE "Odd.Name""d" (id serial);
    CREATE VIEW names AS SELECT name FROM customers;
    INSERT INTO customers (name) VALUES ('ada'), ('grace');
    INSERT INTO billing.invoices (customer) VALUES (1), (1), (2);
"#;

#[container_test(postgres, migrations = [SCHEMA])]
async fn tables_are_found_by_schema_and_quoted(database: Database) -> anyhow::Result<()> {
    assert_eq!(database.row_count("customers").await?, 2);
    assert_eq!(database.row_count("public.customers").await?, 2);
    assert_eq!(database.row_count("billing.invoices").await?, 3);
    assert_eq!(database.row_count("names").await?, 2);
    assert_eq!(database.row_count(r#""Odd.Name""d""#).await?, 0);
    assert!(database.table_exists("names").await?);
    assert!(!database.table_exists("invoices").await?);
    assert!(
        !database
            .table_exists("customers; DROP TABLE customers")
            .await?
    );
    let error = database.row_count("invoices").await.unwrap_err();
    assert_eq!(error.to_string(), "count the rows of invoices");
    assert!(error.help().is_some());
    Ok(())
}

#[container_test(postgres, migrations = [SCHEMA])]
async fn truncating_a_table_empties_those_that_refer_to_it(
    database: Database,
) -> anyhow::Result<()> {
    database.truncate("customers").await?;
    assert_eq!(database.row_count("customers").await?, 0);
    assert_eq!(database.row_count("billing.invoices").await?, 0);
    assert!(database.truncate("invoices").await.is_err());
    Ok(())
}

#[container_test(postgres, migrations = "db/migrations", seeds("accounts"))]
async fn truncating_all_leaves_the_list_of_migrations(
    pool: PgPool,
    database: Database,
) -> anyhow::Result<()> {
    database.truncate_all().await?;
    assert_eq!(database.row_count("accounts").await?, 0);
    assert_eq!(database.row_count("_sqlx_migrations").await?, 3);
    let id: i64 = sqlx::query_scalar("INSERT INTO accounts (name) VALUES ('x') RETURNING id")
        .fetch_one(&pool)
        .await?;
    assert_eq!(id, 1, "identities start again");
    Ok(())
}

#[container_test(redis)]
async fn keys_are_counted_and_flushed(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    assert_eq!(keyspace.key_count().await?, 0);
    let () = redis.set("a", 1).await?;
    let () = redis.set("b", 1).await?;
    assert_eq!(keyspace.key_count().await?, 2);
    keyspace.flush().await?;
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

#[container_test(postgres, redis, migrations = false)]
async fn no_password_is_in_what_debug_shows(
    database: Database,
    keyspace: Keyspace,
    cx: TestContext,
) {
    let shown = format!("{database:?} {keyspace:?} {cx:?}");
    for url in [database.url(), keyspace.url()] {
        let (_, rest) = url.split_once("://").expect("a URL");
        let user = rest.rsplit_once('@').map(|(user, _)| user);
        // A server given by URL may take none.
        if let Some((_, password)) = user.and_then(|user| user.split_once(':')) {
            assert!(!shown.contains(password), "{shown}");
        }
    }
}
