//! Whatever the client: the report of a failed test has what the server has said, with its SQLSTATE,
//! detail and hint.

use std::process::Command;

/// Fails, with all that a server can say about it.
const RAISE: &str = "DO $$ BEGIN
    RAISE unique_violation USING
        MESSAGE = 'no room', DETAIL = 'the shelf is full', HINT = 'remove a book';
    END $$";

/// Runs the failing test of a client, and looks into its report.
#[allow(clippy::expect_used, reason = "a test's helper fails with it")]
fn report_has_what_the_server_has_said(client: &str) {
    let this = std::env::current_exe().expect("the path of this program");
    let run = Command::new(this)
        .args(["--ignored", "--exact", &format!("errors::fails::{client}")])
        .output()
        .expect("this program starts");
    let said = String::from_utf8_lossy(&run.stdout);
    let mut lines = said.lines().map(str::trim);
    let body = lines.find(|line| line.starts_with("container-test: the body returned: "));
    assert!(body.is_some(), "{said}");
    let report: Vec<&str> = body
        .into_iter()
        .chain(lines.take_while(|line| !line.starts_with("container-test: ")))
        .collect();
    let report = report.join("\n");
    let expected = "no room (SQLSTATE 23505)\ndetail: the shelf is full\nhint: remove a book";
    assert!(report.ends_with(expected), "{report}");
}

/// Makes a test for each of these clients.
macro_rules! looked_into {
    ($($client:ident)*) => {
        $(#[test] fn $client() { report_has_what_the_server_has_said(stringify!($client)); })*
    };
}

looked_into!(
    sqlx sqlx_0_8 tokio_postgres deadpool_postgres bb8_postgres
    diesel diesel_pool diesel_async sea_orm_1 sea_orm_2
);

/// Tests that fail.
mod fails {
    use anyhow::Result;
    use bb8::Pool as Bb8Pool;
    use bb8_postgres::PostgresConnectionManager;
    use container_test::container_test;
    use diesel::PgConnection;
    use diesel::connection::SimpleConnection as _;
    use diesel::r2d2::{ConnectionManager, Pool as DieselPool};
    use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
    use sea_orm::ConnectionTrait as _;
    use sea_orm_1::ConnectionTrait as _;
    use tokio_postgres::{Client, NoTls};

    use super::RAISE;

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn sqlx(pool: container_test::sqlx::PgPool) -> Result<()> {
        container_test::sqlx::query(RAISE).execute(&pool).await?;
        Ok(())
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn sqlx_0_8(pool: sqlx_postgres_0_8::PgPool) -> Result<()> {
        sqlx_core_0_8::query::query(RAISE).execute(&pool).await?;
        Ok(())
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn tokio_postgres(client: Client) -> Result<()> {
        Ok(client.batch_execute(RAISE).await?)
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn deadpool_postgres(pool: deadpool_postgres::Pool) -> Result<()> {
        Ok(pool.get().await?.batch_execute(RAISE).await?)
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn bb8_postgres(pool: Bb8Pool<PostgresConnectionManager<NoTls>>) -> Result<()> {
        Ok(pool.get().await?.batch_execute(RAISE).await?)
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    fn diesel(mut connection: PgConnection) -> Result<()> {
        Ok(connection.batch_execute(RAISE)?)
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    fn diesel_pool(pool: DieselPool<ConnectionManager<PgConnection>>) -> Result<()> {
        Ok(pool.get()?.batch_execute(RAISE)?)
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn diesel_async(mut connection: AsyncPgConnection) -> Result<()> {
        Ok(connection.batch_execute(RAISE).await?)
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn sea_orm_1(connection: sea_orm_1::DatabaseConnection) -> Result<()> {
        connection.execute_unprepared(RAISE).await?;
        Ok(())
    }

    #[container_test(postgres)]
    #[ignore = "it fails"]
    async fn sea_orm_2(connection: sea_orm::DatabaseConnection) -> Result<()> {
        connection.execute_unprepared(RAISE).await?;
        Ok(())
    }
}
