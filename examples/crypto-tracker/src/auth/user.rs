//! Users in Postgres.

use sqlx::PgPool;
use time::OffsetDateTime;

use super::AuthError;

/// A user who has signed up.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Number given by the database.
    pub id: i32,
    /// The address that the user logs in with.
    pub email: String,
    /// The name that the user goes by; may be empty.
    pub name: String,
    /// When the user signed up.
    pub created_at: OffsetDateTime,
    /// When the user last changed.
    pub updated_at: OffsetDateTime,
}

/// A user with the hash of the password, which does not leave this module's parent.
#[derive(sqlx::FromRow)]
pub(super) struct UserWithHash {
    #[sqlx(flatten)]
    pub(super) user: User,
    pub(super) password_hash: String,
}

/// The table `users`.
#[derive(Clone, Debug)]
pub struct UserRepository {
    pool: PgPool,
}

impl UserRepository {
    /// A repository on the given pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Stores a user and gives it back as stored.
    pub async fn create(
        &self,
        email: &str,
        name: &str,
        password_hash: &str,
    ) -> Result<User, AuthError> {
        sqlx::query_as(
            "INSERT INTO users (email, name, password_hash)
             VALUES ($1, $2, $3)
             RETURNING id, email, name, created_at, updated_at",
        )
        .bind(email)
        .bind(name)
        .bind(password_hash)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| match &error {
            // Asking first whether the address is free would lose the race against another
            // sign-up; the constraint does not.
            sqlx::Error::Database(cause) if cause.is_unique_violation() => AuthError::EmailExists,
            _ => AuthError::Database(error),
        })
    }

    pub(super) async fn find_by_email(
        &self,
        email: &str,
    ) -> Result<Option<UserWithHash>, AuthError> {
        let found = sqlx::query_as(
            "SELECT id, email, COALESCE(name, '') AS name, password_hash, created_at, updated_at
             FROM users
             WHERE email = $1",
        )
        .bind(email)
        .fetch_optional(&self.pool)
        .await?;
        Ok(found)
    }
}
