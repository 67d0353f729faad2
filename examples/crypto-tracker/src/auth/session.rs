//! Sessions in Redis.

use std::fmt;

use redis::aio::ConnectionManager;
use redis::{AsyncCommands as _, SetExpiry, SetOptions};

use super::{AuthError, Claims};

/// The signatures of the tokens in use, under `/users/{id}/session/{sub_token}`.
#[derive(Clone)]
pub struct SessionRepository {
    redis: ConnectionManager,
}

impl SessionRepository {
    /// A repository on the given connection.
    #[must_use]
    pub fn new(redis: ConnectionManager) -> Self {
        Self { redis }
    }

    /// The key of a session.
    #[must_use]
    pub fn key(user_id: i32, sub_token: &str) -> String {
        format!("/users/{user_id}/session/{sub_token}")
    }

    /// Stores the signature of a token until the token ends.
    pub async fn store(&self, claims: &Claims, signature: &str) -> Result<(), AuthError> {
        let key = Self::key(claims.user_id, &claims.sub_token);
        let until = SetOptions::default().with_expiration(SetExpiry::EXAT(claims.exp));
        let _: Option<String> = self
            .redis
            .clone()
            .set_options(key, signature, until)
            .await?;
        Ok(())
    }

    /// The signature of a session's token, while the session lasts.
    pub async fn find(&self, user_id: i32, sub_token: &str) -> Result<Option<String>, AuthError> {
        Ok(self
            .redis
            .clone()
            .get(Self::key(user_id, sub_token))
            .await?)
    }

    /// Ends a session. Returns whether there was one.
    pub async fn delete(&self, user_id: i32, sub_token: &str) -> Result<bool, AuthError> {
        Ok(self
            .redis
            .clone()
            .del(Self::key(user_id, sub_token))
            .await?)
    }
}

impl fmt::Debug for SessionRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRepository").finish_non_exhaustive()
    }
}
