use std::borrow::Cow::Borrowed;

use anyhow::Result;
use container_test::{Database, container_test};
use sqlx_core_0_8::migrate::{Migration, MigrationType, Migrator};
use sqlx_core_0_8::query_scalar::query_scalar;
use sqlx_postgres_0_8::PgPool;

use super::{AGAIN, EDITED, NOTES, fails, template};

/// As `sqlx::migrate!()` makes it. The crate sqlx 0.8 itself needs another libsqlite3-sys than sqlx 0.9 does.
const fn migration(version: i64, name: &'static str, sql: &'static str) -> Migration {
    Migration {
        version,
        description: Borrowed(name),
        migration_type: MigrationType::Simple,
        sql: Borrowed(sql),
        checksum: Borrowed(sql.as_bytes()),
        no_tx: false,
    }
}

const fn migrator(migrations: &'static [Migration]) -> Migrator {
    Migrator {
        migrations: Borrowed(migrations),
        ignore_missing: false,
        locking: true,
        no_tx: false,
    }
}

static MIGRATOR: Migrator = migrator(const { &[migration(1, "notes", NOTES)] });
static EDITED_MIGRATOR: Migrator = migrator(const { &[migration(1, "notes", EDITED)] });
static BROKEN: Migrator =
    migrator(const { &[migration(1, "notes", NOTES), migration(2, "again", AGAIN)] });

#[container_test(postgres, migrations = MIGRATOR)]
async fn nothing_is_left_to_apply(pool: PgPool, database: Database) -> Result<()> {
    assert!(database.table_exists("notes").await?);
    database.truncate_all().await?;
    MIGRATOR.run(&pool).await?;
    let applied: i64 = query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(&pool)
        .await?;
    assert_eq!(applied, 1);
    Ok(())
}

#[test]
fn tests_share_a_template_until_a_migration_is_edited() {
    assert_eq!(template(&MIGRATOR), template(&MIGRATOR));
    assert_ne!(template(&MIGRATOR), template(&EDITED_MIGRATOR));
}

#[test]
fn a_migration_that_fails_is_named_and_met_once() {
    fails(
        &BROKEN,
        &[
            "apply the migration 2 (again), line 2",
            "because: relation \"notes\" already exists (SQLSTATE 42P07)",
        ],
    );
}
