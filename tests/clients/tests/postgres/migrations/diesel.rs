use anyhow::{Result, anyhow};
use container_test::{Database, container_test};
use diesel::PgConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{ask, fails, template};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("diesel/migrations");
const EDITED: EmbeddedMigrations = embed_migrations!("diesel/edited");
const APPENDED: EmbeddedMigrations = embed_migrations!("diesel/appended");
static BROKEN: EmbeddedMigrations = embed_migrations!("diesel/broken");

#[container_test(postgres, migrations = MIGRATIONS)]
async fn nothing_is_left_to_apply(mut connection: PgConnection, database: Database) -> Result<()> {
    assert!(database.table_exists("notes").await?);
    database.truncate_all().await?;
    let applied = connection.run_pending_migrations(MIGRATIONS);
    assert!(applied.map_err(|error| anyhow!(error))?.is_empty());
    Ok(())
}

#[test]
fn tests_share_a_template_until_a_migration_is_edited() {
    assert_eq!(template(&MIGRATIONS), template(&MIGRATIONS));
    assert_ne!(template(&MIGRATIONS), template(&EDITED));
}

#[test]
fn an_appended_migration_runs_alone() {
    let query =
        "SELECT string_agg(run_on::text, ' ' ORDER BY version) FROM __diesel_schema_migrations";
    let before = ask("before", &MIGRATIONS, query).expect("a template");
    let after = ask("after", &APPENDED, query).expect("a template made from it");
    assert!(
        after.starts_with(&before) && after.len() > before.len(),
        "{before}; {after}"
    );
}

#[test]
fn a_migration_that_fails_is_named_and_met_once() {
    fails(
        &BROKEN,
        &[
            "apply the diesel migration 2024-02-01-000000_again, line 2",
            "because: relation \"notes\" already exists (SQLSTATE 42P07)",
        ],
    );
}
