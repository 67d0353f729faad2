//! The whole service, on a real Postgres and a real Redis.

use std::time::Duration;

use anyhow::{Context as _, Result};
use container_test::{Database, Keyspace, container_test};
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{AsyncCommands as _, IntegerReplyOrNoOp};
use sqlx::Postgres;
use sqlx::pool::PoolConnection;

use super::{AuthError, AuthService, Claims, JwtService, SessionRepository};

const EMAIL: &str = "test@example.com";
const PASSWORD: &str = "password123";

/// A seed in code: the user signs up as users do.
async fn sign_up_test_user(auth: AuthService) -> Result<(), AuthError> {
    auth.sign_up(EMAIL, "Test User", PASSWORD).await?;
    Ok(())
}

fn session_key(claims: &Claims) -> String {
    SessionRepository::key(claims.user_id, &claims.sub_token)
}

#[container_test(postgres, redis)]
async fn sign_up_gives_the_user_and_a_token(auth: AuthService) -> Result<()> {
    let (user, token) = auth.sign_up(EMAIL, "Test User", PASSWORD).await?;

    assert_eq!(user.email, EMAIL);
    assert_eq!(user.name, "Test User");
    assert!(user.id > 0);
    assert!(!token.is_empty());
    Ok(())
}

#[container_test(postgres, redis)]
async fn sign_up_refuses_a_known_email(auth: AuthService, database: Database) -> Result<()> {
    auth.sign_up(EMAIL, "User 1", PASSWORD).await?;

    let second = auth.sign_up(EMAIL, "User 2", PASSWORD).await;

    assert!(matches!(second, Err(AuthError::EmailExists)));
    assert_eq!(database.row_count("users").await?, 1);
    Ok(())
}

#[container_test(postgres, redis)]
async fn of_two_simultaneous_sign_ups_one_wins(
    auth: AuthService,
    database: Database,
) -> Result<()> {
    let (one, other) = tokio::join!(
        auth.sign_up(EMAIL, "User 1", PASSWORD),
        auth.sign_up(EMAIL, "User 2", PASSWORD),
    );

    let (winner, loser) = if one.is_ok() {
        (one, other)
    } else {
        (other, one)
    };
    assert!(winner.is_ok());
    assert!(matches!(loser, Err(AuthError::EmailExists)));
    assert_eq!(database.row_count("users").await?, 1);
    Ok(())
}

#[container_test(postgres, redis)]
async fn log_in_gives_the_user_who_signed_up(auth: AuthService) -> Result<()> {
    let (signed_up, _) = auth.sign_up(EMAIL, "Test User", PASSWORD).await?;

    let (logged_in, token) = auth.log_in(EMAIL, PASSWORD).await?;

    assert_eq!(logged_in, signed_up);
    assert!(!token.is_empty());
    Ok(())
}

#[container_test(postgres, redis, seeds(sign_up_test_user))]
async fn log_in_refuses_a_wrong_password(auth: AuthService) {
    let outcome = auth.log_in(EMAIL, "wrongpassword").await;
    assert!(matches!(outcome, Err(AuthError::InvalidCredentials)));
}

#[container_test(postgres, redis)]
async fn log_in_does_not_tell_an_unknown_email_from_a_wrong_password(auth: AuthService) {
    let outcome = auth.log_in("nobody@example.com", PASSWORD).await;
    assert!(matches!(outcome, Err(AuthError::InvalidCredentials)));
}

#[container_test(postgres, redis)]
async fn redis_holds_the_signature_of_the_token(
    auth: AuthService,
    tokens: JwtService,
    mut redis: ConnectionManager,
) -> Result<()> {
    let (user, token) = auth.sign_up(EMAIL, "Test User", PASSWORD).await?;
    let claims = tokens.validate(&token)?;
    assert!(!claims.sub_token.is_empty());

    let key = format!("/users/{}/session/{}", user.id, claims.sub_token);
    let signature: Option<String> = redis.get(key).await?;

    assert_eq!(signature.as_deref(), token.split('.').nth(2));
    Ok(())
}

#[container_test(postgres, redis)]
async fn the_database_holds_a_hash_of_the_password(
    auth: AuthService,
    mut connection: PoolConnection<Postgres>,
) -> Result<()> {
    let password = "securePassword123!@#";
    auth.sign_up(EMAIL, "Test User", password).await?;

    let hash: String = sqlx::query_scalar("SELECT password_hash FROM users WHERE email = $1")
        .bind(EMAIL)
        .fetch_one(&mut *connection)
        .await?;

    assert_ne!(hash, password);
    assert!(hash.starts_with("$2b$"), "no bcrypt hash: {hash}");
    Ok(())
}

#[container_test(postgres, redis)]
async fn the_session_expires_when_its_token_does(
    auth: AuthService,
    tokens: JwtService,
    mut redis: MultiplexedConnection,
) -> Result<()> {
    let (_, token) = auth.sign_up(EMAIL, "Test User", PASSWORD).await?;
    let claims = tokens.validate(&token)?;

    let expires: IntegerReplyOrNoOp = redis.expire_time(session_key(&claims)).await?;

    let end_of_token = usize::try_from(claims.exp)?;
    assert_eq!(expires, IntegerReplyOrNoOp::IntegerReply(end_of_token));
    Ok(())
}

#[container_test(postgres, redis)]
async fn an_expired_session_no_longer_authenticates(
    auth: AuthService,
    mut redis: MultiplexedConnection,
) -> Result<()> {
    let (_, token) = auth.sign_up(EMAIL, "Test User", PASSWORD).await?;
    let claims = auth.authenticate(&token).await?;

    let _: bool = redis.pexpire(session_key(&claims), 50).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;

    assert!(matches!(
        auth.authenticate(&token).await,
        Err(AuthError::SessionEnded)
    ));
    Ok(())
}

#[container_test(postgres, redis)]
async fn each_log_in_is_a_session_that_ends_by_itself(
    auth: AuthService,
    keyspace: Keyspace,
) -> Result<()> {
    let (_, first) = auth.sign_up(EMAIL, "Test User", PASSWORD).await?;
    let (_, second) = auth.log_in(EMAIL, PASSWORD).await?;
    assert_eq!(keyspace.key_count().await?, 2);

    auth.log_out(&first).await?;

    assert_eq!(keyspace.key_count().await?, 1);
    assert!(matches!(
        auth.authenticate(&first).await,
        Err(AuthError::SessionEnded)
    ));
    auth.authenticate(&second)
        .await
        .context("the other session goes on")?;
    Ok(())
}

#[container_test(postgres, redis, seeds(sign_up_test_user))]
async fn losing_redis_data_ends_sessions_but_no_accounts(
    auth: AuthService,
    keyspace: Keyspace,
) -> Result<()> {
    let (_, token) = auth.log_in(EMAIL, PASSWORD).await?;

    keyspace.flush().await?;

    assert!(matches!(
        auth.authenticate(&token).await,
        Err(AuthError::SessionEnded)
    ));
    auth.log_in(EMAIL, PASSWORD).await?;
    Ok(())
}
