use anyhow::Result;
use bb8::Pool;
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::NoTls;

crate::twice!(Pool<PostgresConnectionManager<NoTls>>);

async fn writes_the_first_note(pool: Pool<PostgresConnectionManager<NoTls>>) -> Result<()> {
    let client = pool.get().await?;
    let insert = "INSERT INTO notes (body) VALUES ('of bb8') RETURNING id";
    let row = client.query_one(insert, &[]).await?;
    assert_eq!(row.get::<_, i64>(0), 1);
    let other = pool.get().await?;
    let row = other.query_one("SELECT body FROM notes", &[]).await?;
    assert_eq!(row.get::<_, &str>(0), "of bb8");
    Ok(())
}
