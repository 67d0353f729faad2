use anyhow::Result;
use container_test::{Database, container_test};
use sea_orm_migration_1::async_trait::async_trait;
use sea_orm_migration_1::sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use sea_orm_migration_1::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use super::{AGAIN, EDITED, NOTES, fails, template};

/// A migration of a name, with SQL for it.
struct Sql(&'static str, &'static str);

impl MigrationName for Sql {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait]
impl MigrationTrait for Sql {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(self.1).await?;
        Ok(())
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Sql("m20240101_notes", NOTES))]
    }
}

struct Edited;

impl MigratorTrait for Edited {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Sql("m20240101_notes", EDITED))]
    }
}

struct Broken;

impl MigratorTrait for Broken {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Sql("m20240101_notes", NOTES)),
            Box::new(Sql("m20240201_again", AGAIN)),
        ]
    }
}

#[container_test(postgres, migrations = Migrator)]
async fn nothing_is_left_to_apply(
    connection: DatabaseConnection,
    database: Database,
) -> Result<()> {
    assert!(database.table_exists("notes").await?);
    database.truncate_all().await?;
    assert!(
        Migrator::get_pending_migrations(&connection)
            .await?
            .is_empty()
    );
    Migrator::up(&connection, None).await?;
    Ok(())
}

#[test]
fn tests_share_a_template_until_a_migration_is_edited() {
    assert_eq!(template(&Migrator), template(&Migrator));
    assert_ne!(template(&Migrator), template(&Edited));
}

#[test]
fn a_migration_that_fails_is_named_and_met_once() {
    fails(
        &Broken,
        &[
            "apply the sea-orm migration m20240201_again",
            "because: relation \"notes\" already exists (SQLSTATE 42P07)",
        ],
    );
}
