//! Migrations that change the server, which tests share, fail; and the server is as it was.

use container_test::sqlx::{self, Connection, PgConnection, PgPool};
use container_test::{Builder, Database, Migrations, Postgres, container_test};

/// Everything that the server knows of the role that tests connect as, and of databases that are not
/// tests'.
const STATE: &str = "
    SELECT jsonb_build_object(
        'role', (SELECT to_jsonb(r) - 'rolvaliduntil' FROM pg_authid r WHERE rolname = 'postgres'),
        'valid', (SELECT coalesce(rolvaliduntil, 'infinity') FROM pg_authid WHERE rolname = 'postgres'),
        'settings', (SELECT jsonb_agg(to_jsonb(s)) FROM pg_db_role_setting s
                     JOIN pg_database d ON d.oid = setdatabase WHERE datname NOT LIKE 'ct\\_%'),
        'members', (SELECT jsonb_agg(to_jsonb(m) ORDER BY roleid) FROM pg_auth_members m
                    WHERE member = 'postgres'::regrole),
        'file', pg_read_file('postgresql.auto.conf'))::text";

async fn state(pool: &PgPool) -> sqlx::Result<String> {
    sqlx::query_scalar(STATE).fetch_one(pool).await
}

/// Returns why a database with this migration is not provided, on a server with these arguments.
async fn report_of(migration: &str, arguments: &[&str]) -> String {
    let mut postgres = Postgres::default();
    postgres.args = arguments.iter().map(ToString::to_string).collect();
    postgres.migrations = Migrations::inline(["CREATE TABLE first ()", migration]);
    let test = Builder::new("of_server", env!("CARGO_MANIFEST_DIR")).service(postgres);
    match Box::pin(test.start()).await {
        Ok(_) => panic!("it was provided: {migration}"),
        Err(error) => error.report(),
    }
}

const ROLE: &str = "the role that tests connect as";

#[container_test(postgres, migrations = false)]
async fn a_statement_that_changes_the_server_does_not_run(pool: PgPool) -> anyhow::Result<()> {
    const SLOTS: &str = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'mine'";
    let before = state(&pool).await?;
    for (statement, cause) in [
        ("ALTER ROLE CURRENT_USER PASSWORD 'x'", ROLE),
        ("ALTER ROLE CURRENT_USER NOLOGIN", ROLE),
        ("ALTER USER postgres CONNECTION LIMIT 0", ROLE),
        ("ALTER ROLE CURRENT_USER VALID UNTIL '2000-01-01'", ROLE),
        ("ALTER ROLE CURRENT_USER NOSUPERUSER NOCREATEDB", ROLE),
        ("ALTER ROLE postgres RENAME TO root", ROLE),
        (
            "ALTER SYSTEM SET work_mem = '1MB'",
            "the settings of the server",
        ),
        (
            "CREATE TABLESPACE fast LOCATION '/tmp'",
            "tablespaces belong to the server",
        ),
        (
            "SELECT pg_create_physical_replication_slot('mine')",
            "replication slots belong to the server",
        ),
        (
            "CREATE SUBSCRIPTION mine CONNECTION '' PUBLICATION mine WITH (connect = false)",
            "none of its subscriptions",
        ),
        (
            "ALTER DATABASE postgres SET work_mem = '1MB'",
            "another database than the test's",
        ),
    ] {
        let report = report_of(statement, &[]).await;
        for part in [
            "failed to apply the migration number 2 of the list in the attribute, line 1",
            cause,
            statement,
            "help: leave it out, or give the test a server of its own",
            "isolation = \"server\"",
        ] {
            assert!(report.contains(part), "{statement}:\n{report}");
        }
    }
    assert_eq!(state(&pool).await?, before);
    let slots: i64 = sqlx::query_scalar(SLOTS).fetch_one(&pool).await?;
    assert_eq!(slots, 0);
    Ok(())
}

/// The server is these tests' alone: its role is unusable for a moment.
#[container_test(postgres(args = ["-c", "work_mem=5MB"]), migrations = false)]
async fn what_a_block_of_code_changes_of_the_role_is_put_back(
    pool: PgPool,
    database: Database,
) -> anyhow::Result<()> {
    let before = state(&pool).await?;
    let role = "attributes of the role \"postgres\"";
    for (statement, changed) in [
        ("ALTER ROLE CURRENT_USER PASSWORD 'x'", role),
        ("ALTER ROLE CURRENT_USER NOLOGIN", role),
        ("ALTER ROLE CURRENT_USER CONNECTION LIMIT 0", role),
        ("ALTER ROLE CURRENT_USER VALID UNTIL '2000-01-01'", role),
        ("ALTER ROLE CURRENT_USER NOCREATEDB", role),
        (
            "GRANT pg_monitor TO CURRENT_USER",
            "that postgres is a member of pg_monitor",
        ),
        (
            "CREATE SUBSCRIPTION mine CONNECTION '' PUBLICATION mine WITH (connect = false)",
            "the subscription mine",
        ),
    ] {
        let block = format!("DO $$ BEGIN EXECUTE $s${statement}$s$; END $$");
        let report = report_of(&block, &["-c", "work_mem=5MB"]).await;
        for part in [
            "failed to apply the migration number 2 of the list in the attribute",
            "it has changed what belongs to the server",
            changed,
            "isolation = \"server\"",
        ] {
            assert!(report.contains(part), "{statement}:\n{report}");
        }
        assert!(!report.contains("could not be put back"), "{report}");
        assert_eq!(state(&pool).await?, before, "{statement}");
        // A neighbour still gets in.
        PgConnection::connect(database.url()).await?.close().await?;
    }
    Ok(())
}

#[container_test(
    postgres(args = ["-c", "work_mem=6MB"]),
    migrations = ["ALTER ROLE ALL SET app.greeting = 'hello'"]
)]
async fn a_setting_of_all_roles_holds_in_the_databases_of_its_migrations(
    pool: PgPool,
) -> anyhow::Result<()> {
    const ELSEWHERE: &str =
        "SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = 0";
    let greeting = sqlx::query_scalar("SELECT current_setting('app.greeting')");
    let greeting: String = greeting.fetch_one(&pool).await?;
    assert_eq!(greeting, "hello");
    let elsewhere: i64 = sqlx::query_scalar(ELSEWHERE).fetch_one(&pool).await?;
    assert_eq!(elsewhere, 0);
    Ok(())
}

#[container_test(
    postgres(isolation = "server"),
    migrations = ["ALTER ROLE CURRENT_USER NOCREATEDB", "ALTER SYSTEM SET work_mem = '6MB'"]
)]
async fn a_server_of_the_tests_own_may_be_changed(pool: PgPool) -> anyhow::Result<()> {
    let creates =
        sqlx::query_scalar("SELECT rolcreatedb FROM pg_roles WHERE rolname = current_user");
    let creates: bool = creates.fetch_one(&pool).await?;
    assert!(!creates);
    Ok(())
}
