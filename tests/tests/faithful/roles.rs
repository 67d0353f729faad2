//! Roles that migrations make, and what these own.

use container_test::sqlx::{PgPool, raw_sql};
use container_test::{Database, container_test};

use super::text;

/// Roles belong to the server: this works once per server.
const ROLE: &str = "
    CREATE ROLE faithful_reader;
    CREATE TABLE members (id int GENERATED ALWAYS AS IDENTITY, name text);
    GRANT SELECT ON members TO faithful_reader";

#[container_test(postgres, migrations = [ROLE], seeds("ada"))]
async fn migrations_run_once_for_this_seed(database: Database) -> anyhow::Result<()> {
    assert_eq!(database.row_count("members").await?, 1);
    Ok(())
}

#[container_test(postgres, migrations = [ROLE], seeds("ada", "grace"))]
async fn migrations_run_once_for_those_seeds(database: Database) -> anyhow::Result<()> {
    assert_eq!(database.row_count("members").await?, 2);
    Ok(())
}

#[container_test(postgres, migrations = [ROLE, "ALTER TABLE members ADD age int"])]
async fn migrations_run_once_for_a_list_that_has_grown(pool: PgPool) -> anyhow::Result<()> {
    raw_sql("SELECT age FROM members").execute(&pool).await?;
    Ok(())
}

/// What it was before it was edited: no finished template begins like this.
const EDITED: &str = "
    CREATE ROLE faithful_reader NOLOGIN;
    CREATE TABLE members (id bigint GENERATED ALWAYS AS IDENTITY, name text);
    GRANT SELECT ON members TO faithful_reader";

#[container_test(postgres, migrations = [EDITED])]
async fn an_edited_migration_meets_the_role_that_it_has_made(pool: PgPool) -> anyhow::Result<()> {
    const MAY: &str = "SELECT has_table_privilege('faithful_reader', 'members', 'SELECT')::text";
    assert_eq!(text(&pool, MAY).await?.as_deref(), Some("true"));
    Ok(())
}

/// What people write who know that a role may be there.
const GUARDED: &str = "
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'faithful_guarded') THEN
            PERFORM pg_sleep(0.1);
            CREATE ROLE faithful_guarded;
        END IF;
    END $$;
    ALTER ROLE faithful_guarded NOLOGIN";

/// Each has a template of its own, and all are made at the same time.
macro_rules! guarded {
    ($($name:ident $table:literal)*) => {$(
        #[container_test(postgres, migrations = [GUARDED, concat!("CREATE TABLE ", $table, " ()")])]
        async fn $name(database: Database) -> anyhow::Result<()> {
            assert!(database.table_exists($table).await?);
            Ok(())
        }
    )*};
}

guarded! {
    a_guarded_role_is_made_once_by_the_first "first"
    a_guarded_role_is_made_once_by_the_second "second"
    a_guarded_role_is_made_once_by_the_third "third"
    a_guarded_role_is_made_once_by_the_fourth "fourth"
}

/// The role that migrates owns neither the database nor the sequence in the end. An ordinary role must be
/// a member of the role that it makes an owner.
const OWNED: &str = "
    CREATE ROLE faithful_owner;
    CREATE ROLE faithful_keeper;
    DO $$ BEGIN
        IF current_setting('is_superuser') = 'off' THEN
            GRANT faithful_owner, faithful_keeper TO CURRENT_USER;
        END IF;
        GRANT CREATE ON SCHEMA public TO faithful_keeper, faithful_owner;
        CREATE SEQUENCE numbers;
        ALTER SEQUENCE numbers OWNER TO faithful_keeper;
        CREATE TABLE deeds (id int);
        ALTER TABLE deeds OWNER TO faithful_owner;
        EXECUTE format('ALTER DATABASE %I OWNER TO faithful_owner', current_database());
        IF current_setting('is_superuser') = 'off' THEN
            REVOKE faithful_keeper FROM CURRENT_USER;
        END IF;
    END $$";

async fn has_its_owners(pool: PgPool) -> anyhow::Result<()> {
    const OWNERS: &str = "
        SELECT concat_ws(' ', pg_get_userbyid(datdba), tableowner, sequenceowner)
        FROM pg_database, pg_tables, pg_sequences
        WHERE datname = current_database() AND tablename = 'deeds' AND sequencename = 'numbers'";
    assert_eq!(
        text(&pool, OWNERS).await?.as_deref(),
        Some("faithful_owner faithful_owner faithful_keeper")
    );
    raw_sql("INSERT INTO deeds VALUES (1)")
        .execute(&pool)
        .await?;
    Ok(())
}

macro_rules! owned {
    ($($name:ident)*) => {$(
        #[container_test(postgres, migrations = [OWNED])]
        async fn $name(pool: PgPool) -> anyhow::Result<()> {
            has_its_owners(pool).await
        }
    )*};
}

owned! { migrations_give_the_first_to_others migrations_give_the_second_to_others }
