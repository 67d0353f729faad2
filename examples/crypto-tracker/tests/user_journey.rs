//! The application from the outside: its parts are bundled in a type of this file's own, which
//! is injected like any other.

use std::time::Duration;

use anyhow::Result;
use container_test::{
    Database, Declares, Error, FromContext, Keyspace, Postgres, Redis, TestContext, container_test,
};
use crypto_tracker::alerts::{AlertKind, AlertRepository, NewAlert};
use crypto_tracker::auth::{
    AuthService, JwtService, PasswordService, SessionRepository, UserRepository,
};
use redis::AsyncCommands as _;
use redis::aio::ConnectionManager;
use rust_decimal::Decimal;
use sqlx::PgPool;

/// The application, on the servers of one test.
struct Tracker {
    auth: AuthService,
    alerts: AlertRepository,
}

impl<D: Declares<Postgres> + Declares<Redis>> FromContext<D> for Tracker {
    async fn from_context(cx: &TestContext<D>) -> container_test::Result<Self> {
        let pool: PgPool = cx.get().await?;
        let redis: ConnectionManager = cx.get().await?;
        let tokens = JwtService::new(
            "another-test-secret-that-is-long-enough",
            Duration::from_mins(1),
        )
        .map_err(|error| Error::new("make the service that signs tokens").because(error))?;
        let auth = AuthService::new(
            UserRepository::new(pool.clone()),
            SessionRepository::new(redis),
            PasswordService::with_cost(4),
            tokens,
        );
        Ok(Self {
            auth,
            alerts: AlertRepository::new(pool),
        })
    }
}

/// A seed in code, after the seeds in SQL: it finds the user that they stored.
async fn insert_session(pool: PgPool, mut redis: ConnectionManager) -> Result<()> {
    let id: i32 = sqlx::query_scalar("SELECT id FROM users WHERE email = 'test@example.com'")
        .fetch_one(&pool)
        .await?;
    let _: () = redis
        .set(SessionRepository::key(id, "seeded"), "signature")
        .await?;
    Ok(())
}

#[container_test(postgres, redis, timeout = "30s")]
async fn a_new_user_sets_an_alert_and_logs_out(tracker: Tracker) -> Result<()> {
    let (user, token) = tracker
        .auth
        .sign_up("ada@example.com", "Ada", "password123")
        .await?;

    let claims = tracker.auth.authenticate(&token).await?;
    assert_eq!(claims.user_id, user.id);
    let alert = NewAlert {
        user_id: claims.user_id,
        symbol: "BTC".to_owned(),
        kind: AlertKind::Above,
        threshold: Decimal::from(50_000),
    };
    let alert = tracker.alerts.create(&alert).await?;
    assert_eq!(tracker.alerts.find_by_id(alert.id).await?.user_id, user.id);

    tracker.auth.log_out(&token).await?;
    assert!(tracker.auth.authenticate(&token).await.is_err());
    Ok(())
}

#[container_test(postgres, redis, seeds("users", "tokens", insert_session))]
async fn seeds_of_both_kinds_are_there_before_the_test(
    database: Database,
    keyspace: Keyspace,
    mut redis: ConnectionManager,
) -> Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(database.row_count("tokens").await?, 3);
    assert_eq!(keyspace.key_count().await?, 1);
    let signature: String = redis.get("/users/1/session/seeded").await?;
    assert_eq!(signature, "signature");
    Ok(())
}

#[container_test(postgres, redis, flavor = "multi_thread", worker_threads = 2)]
async fn many_users_sign_up_at_once(tracker: Tracker, database: Database) -> Result<()> {
    let sign_ups: Vec<_> = (0..10)
        .map(|number| {
            let auth = tracker.auth.clone();
            tokio::spawn(async move {
                auth.sign_up(&format!("user-{number}@example.com"), "", "password123")
                    .await
            })
        })
        .collect();
    for sign_up in sign_ups {
        sign_up.await??;
    }

    assert_eq!(database.row_count("users").await?, 10);
    Ok(())
}
