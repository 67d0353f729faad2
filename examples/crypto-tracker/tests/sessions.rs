//! The session store on a real Redis; no Postgres is declared, so none is started.

use anyhow::Result;
use container_test::{Keyspace, container_test};
use crypto_tracker::auth::{Claims, SessionRepository};
use redis::AsyncCommands as _;
use redis::aio::{ConnectionManager, MultiplexedConnection};

/// 1 January 2100.
const FAR_AWAY: u64 = 4_102_444_800;

async fn insert_session(mut redis: ConnectionManager) -> redis::RedisResult<()> {
    redis
        .set(
            SessionRepository::key(1, "seeded-by-code"),
            "signature from code",
        )
        .await
}

#[container_test(redis, seeds("session", insert_session))]
async fn sessions_come_from_a_file_and_from_code(
    redis: ConnectionManager,
    keyspace: Keyspace,
) -> Result<()> {
    let sessions = SessionRepository::new(redis);

    let of_file = sessions.find(1, "seeded-by-file").await?;
    let of_code = sessions.find(1, "seeded-by-code").await?;

    assert_eq!(of_file.as_deref(), Some("signature of the token"));
    assert_eq!(of_code.as_deref(), Some("signature from code"));
    assert_eq!(keyspace.key_count().await?, 2);
    Ok(())
}

#[container_test(redis)]
async fn a_session_is_found_until_it_is_deleted(redis: ConnectionManager) -> Result<()> {
    let sessions = SessionRepository::new(redis);
    let claims = Claims {
        user_id: 1,
        sub_token: "a".to_owned(),
        iat: 0,
        exp: FAR_AWAY,
    };

    sessions.store(&claims, "signature").await?;
    assert_eq!(sessions.find(1, "a").await?.as_deref(), Some("signature"));

    assert!(sessions.delete(1, "a").await?);
    assert_eq!(sessions.find(1, "a").await?, None);
    assert!(!sessions.delete(1, "a").await?);
    Ok(())
}

#[container_test(redis)]
async fn a_session_that_is_already_over_is_not_found(redis: ConnectionManager) -> Result<()> {
    let sessions = SessionRepository::new(redis);
    let claims = Claims {
        user_id: 1,
        sub_token: "a".to_owned(),
        iat: 0,
        exp: 1,
    };

    sessions.store(&claims, "signature").await?;

    assert_eq!(sessions.find(1, "a").await?, None);
    Ok(())
}

#[container_test(redis)]
async fn all_connections_of_a_client_reach_the_same_keys(
    client: redis::Client,
    mut connection: MultiplexedConnection,
) -> Result<()> {
    let _: () = connection.set("price:BTC", "50000").await?;

    let mut another = client.get_multiplexed_async_connection().await?;
    let price: String = another.get("price:BTC").await?;

    assert_eq!(price, "50000");
    Ok(())
}
