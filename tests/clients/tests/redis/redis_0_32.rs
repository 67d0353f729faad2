use anyhow::Result;
use redis_0_32::aio::{ConnectionManager, MultiplexedConnection};
use redis_0_32::{AsyncCommands, Client};

crate::twice!(Client);

async fn counts_to_one(client: Client) -> Result<()> {
    counts(client.get_multiplexed_async_connection().await?).await
}

async fn counts(mut connection: impl AsyncCommands) -> Result<()> {
    let count: i64 = connection.incr("visits", 1).await?;
    assert_eq!(count, 1);
    let count: i64 = connection.get("visits").await?;
    assert_eq!(count, 1);
    Ok(())
}

mod multiplexed {
    use super::*;

    crate::twice!(MultiplexedConnection);

    async fn counts_to_one(connection: MultiplexedConnection) -> Result<()> {
        counts(connection).await
    }
}

mod manager {
    use super::*;

    crate::twice!(ConnectionManager);

    async fn counts_to_one(manager: ConnectionManager) -> Result<()> {
        counts(manager).await
    }
}
