use anyhow::Result;
use container_test::{Database, container_test};
use refinery::{Migration, Runner};
use tokio_postgres::Client;

use super::{AGAIN, EDITED, NOTES, fails, template};

refinery::embed_migrations!("refinery/migrations");

fn runner(list: &[(&str, &str)]) -> Runner {
    let migrations = list
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql));
    Runner::new(&migrations.collect::<Result<Vec<_>, _>>().expect("names"))
}

fn edited() -> Runner {
    runner(&[("V1__notes", EDITED)])
}

fn broken() -> Runner {
    runner(&[("V1__notes", NOTES), ("V2__again", AGAIN)])
}

#[container_test(postgres, migrations = migrations::runner)]
async fn nothing_is_left_to_apply(mut client: Client, database: Database) -> Result<()> {
    assert!(database.table_exists("notes").await?);
    database.truncate_all().await?;
    let applied = migrations::runner().run_async(&mut client).await?;
    assert_eq!(applied.applied_migrations(), &[]);
    Ok(())
}

#[test]
fn tests_share_a_template_until_a_migration_is_edited() {
    let of_tool = template(&migrations::runner);
    assert_eq!(of_tool, template(&migrations::runner));
    assert_ne!(of_tool, template(&edited));
}

#[test]
fn a_migration_that_fails_is_named_and_met_once() {
    fails(
        &broken,
        &[
            "apply the refinery migration V2__again, line 2",
            "because: relation \"notes\" already exists (SQLSTATE 42P07)",
        ],
    );
}
