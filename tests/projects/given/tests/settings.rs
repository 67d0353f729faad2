//! Tests on servers with settings of the user.

use container_test::sqlx::{self, PgPool, Row};
use container_test::container_test;

/// What the test's own session has is what `EXPECTED` says, a setting a line.
async fn has_the_settings_of_the_user(pool: PgPool) -> anyhow::Result<()> {
    let expected = std::env::var("EXPECTED")?;
    let mut schema = "public";
    for line in expected.lines() {
        let (name, value) = line.split_once('=').unwrap();
        let row = sqlx::query("SELECT current_setting($1)").bind(name).fetch_one(&pool).await?;
        assert_eq!(row.get::<String, _>(0), value, "{name}");
        if name == "search_path" && value == "app" {
            schema = "app";
        }
    }
    let notes = sqlx::query("SELECT schemaname::text FROM pg_tables WHERE tablename = 'notes'");
    assert_eq!(notes.fetch_one(&pool).await?.get::<String, _>(0), schema);
    let notes = sqlx::query("SELECT count(*) FROM notes");
    assert_eq!(notes.fetch_one(&pool).await?.get::<i64, _>(0), 3);
    Ok(())
}

/// One waits for the other's migrations for longer than the time-outs.
macro_rules! tests {
    ($($name:ident $first:literal)*) => {$(
        #[container_test(
            postgres,
            migrations = [$first, "SELECT pg_sleep(0.8)", "INSERT INTO notes VALUES (1); SELECT pg_sleep(0.8)"],
            seeds("note", "drawn_note")
        )]
        async fn $name(pool: PgPool) -> anyhow::Result<()> {
            has_the_settings_of_the_user(pool).await
        }
    )*};
}

tests! {
    one_has_the_settings_of_the_user "CREATE SCHEMA app; CREATE TABLE notes (id float8)"
    another_has_the_settings_of_the_user "CREATE SCHEMA app; CREATE TABLE notes (id float8); SELECT 'another'"
}

/// Each has a template of its own, and its migrations make the same role.
macro_rules! roles {
    ($($name:ident $table:literal)*) => {$(
        #[container_test(postgres, migrations = [
            "DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'theirs_too') THEN
                    PERFORM pg_sleep(0.1);
                    CREATE ROLE theirs_too;
                END IF;
            END $$;
            ALTER ROLE theirs_too NOLOGIN",
            $table
        ])]
        async fn $name(_pool: PgPool) {}
    )*};
}

roles! {
    role_1 "CREATE TABLE a ()" role_2 "CREATE TABLE b ()" role_3 "CREATE TABLE c ()" role_4 "CREATE TABLE d ()"
}

#[container_test(postgres(extensions = ["pageinspect"]), migrations = false)]
async fn wants_an_extension(_pool: PgPool) {}

/// Code does not show what it changes.
#[container_test(postgres, migrations = ["DO $$ BEGIN EXECUTE 'ALTER ROLE CURRENT_USER CONNECTION LIMIT 7'; END $$"])]
async fn changes_its_role(_pool: PgPool) {}
