//! Tests that fail with something to look at.

use container_test::redis::{AsyncCommands, aio::ConnectionManager};
use container_test::sqlx::{self, PgPool};
use container_test::container_test;

#[container_test(postgres, redis, migrations = ["CREATE TABLE users (id int PRIMARY KEY)"])]
async fn returns_an_error_of_the_server(
    pool: PgPool,
    mut redis: ConnectionManager,
) -> anyhow::Result<()> {
    let () = redis.set("left", "42").await?;
    sqlx::query("INSERT INTO users VALUES (7)").execute(&pool).await?;
    sqlx::query("SELECT pg_sleep(0.3)").execute(&pool).await?;
    let again = sqlx::query("INSERT INTO users VALUES (7)").execute(&pool).await;
    again.map_err(|error| anyhow::Error::new(error).context("sign up"))?;
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn returns_an_error_with_a_hint(pool: PgPool) -> Result<(), Box<dyn std::error::Error>> {
    sqlx::query("SELECT lenght('a')").execute(&pool).await?;
    Ok(())
}

#[container_test(
    postgres(
        migrations = ["
            CREATE TABLE shelf (id int PRIMARY KEY, at timestamptz);
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE check_violation USING
                    MESSAGE = 'no room', DETAIL = 'the shelf is full', HINT = 'remove a book';
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON shelf
                FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION refuse();
        "],
        seeds("shelf"),
    ),
)]
async fn fails_in_a_seed(_pool: PgPool) {}
