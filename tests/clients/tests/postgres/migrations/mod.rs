//! Migrations of each tool make the schema: `migrations = path`.

#![allow(clippy::expect_used, reason = "what goes wrong fails the test")]

mod diesel;
mod refinery;
mod sea_orm_1;
mod sea_orm_2;
mod sqlx_0_8;

use container_test::sqlx::{self, PgPool};
use container_test::{Builder, Error, IntoMigrations, Postgres, Result};

const NOTES: &str = "CREATE TABLE notes (id bigserial PRIMARY KEY, body text NOT NULL)";

/// Has another column.
const EDITED: &str =
    "CREATE TABLE notes (id bigserial PRIMARY KEY, title text, body text NOT NULL)";

/// Fails in its second line.
const AGAIN: &str = "CREATE TABLE tags (name text);\nCREATE TABLE notes (id bigint)";

/// Has a test ask its database for one text.
fn ask<K>(
    test: &str,
    migrations: &'static impl IntoMigrations<K>,
    query: &'static str,
) -> Result<String> {
    let mut postgres = Postgres::default();
    postgres.migrations = migrations.migrations();
    Builder::new(test, env!("CARGO_MANIFEST_DIR"))
        .service(postgres)
        .run(async |cx| {
            let pool: PgPool = cx.get().await?;
            let answer = sqlx::query_scalar(query).fetch_one(&pool).await;
            answer.map_err(Error::failed_to("ask the database"))
        })
}

/// Returns the template that a test's database was cloned from.
fn template<K>(migrations: &'static impl IntoMigrations<K>) -> String {
    let database = ask("asks", migrations, "SELECT current_database()::text").expect("a database");
    let (template, _) = database.rsplit_once('_').expect("the number of the clone");
    template.to_owned()
}

/// Checks that a migration that fails is named, with the line of its statement, and that the next
/// test does not try it again.
fn fails<K>(migrations: &'static impl IntoMigrations<K>, expected: &[&str]) {
    let report = |test| {
        let failed = ask(test, migrations, "SELECT ''");
        failed.expect_err("a broken migration").report()
    };
    let first = report("first");
    for expected in expected {
        assert!(first.contains(expected), "{expected}: {first}");
    }
    let second = report("second");
    let note = "it failed before, in first, and was not tried again";
    assert!(second.contains(note), "{second}");
}
