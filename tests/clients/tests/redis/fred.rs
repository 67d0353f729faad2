use anyhow::Result;
use fred::clients::{Client, Pool};
use fred::interfaces::KeysInterface;

crate::twice!(Client);

async fn counts_to_one(client: Client) -> Result<()> {
    counts(&client).await
}

async fn counts(client: &impl KeysInterface) -> Result<()> {
    let count: i64 = client.incr("visits").await?;
    assert_eq!(count, 1);
    let count: i64 = client.get("visits").await?;
    assert_eq!(count, 1);
    Ok(())
}

mod pool {
    use super::*;

    crate::twice!(Pool);

    async fn counts_to_one(pool: Pool) -> Result<()> {
        counts(&pool).await
    }
}
