use anyhow::Result;
use tokio_postgres::{Client, Config, NoTls};

crate::twice!(Client);

async fn writes_the_first_note(client: Client) -> Result<()> {
    let insert = "INSERT INTO notes (body) VALUES ($1) RETURNING id";
    let row = client.query_one(insert, &[&"of tokio-postgres"]).await?;
    assert_eq!(row.get::<_, i64>(0), 1);
    let row = client.query_one("SELECT body FROM notes", &[]).await?;
    assert_eq!(row.get::<_, &str>(0), "of tokio-postgres");
    Ok(())
}

mod configuration {
    use super::*;

    crate::twice!(Config);

    async fn writes_the_first_note(config: Config) -> Result<()> {
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        super::writes_the_first_note(client).await?;
        Ok(connection.await??)
    }
}
