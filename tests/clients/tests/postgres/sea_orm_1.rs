use anyhow::{Context, Result};
use sea_orm_1::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

crate::twice!(DatabaseConnection);

async fn writes_the_first_note(connection: DatabaseConnection) -> Result<()> {
    let insert = "INSERT INTO notes (body) VALUES ('of sea-orm 1') RETURNING id";
    let row = one(&connection, insert).await?;
    assert_eq!(row.try_get::<i64>("", "id")?, 1);
    let row = one(&connection, "SELECT body FROM notes").await?;
    assert_eq!(row.try_get::<String>("", "body")?, "of sea-orm 1");
    Ok(())
}

async fn one(connection: &DatabaseConnection, sql: &str) -> Result<sea_orm_1::QueryResult> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = connection.query_one(statement).await?;
    row.context("a row")
}
