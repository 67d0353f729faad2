//! Sign-up and log-in.

use super::{
    AuthError, Claims, JwtService, PasswordService, SessionRepository, User, UserRepository, jwt,
};

/// Lets users sign up, log in and out, and recognises them by their tokens.
#[derive(Clone, Debug)]
pub struct AuthService {
    users: UserRepository,
    sessions: SessionRepository,
    passwords: PasswordService,
    tokens: JwtService,
}

impl AuthService {
    /// A service on the given parts.
    #[must_use]
    pub fn new(
        users: UserRepository,
        sessions: SessionRepository,
        passwords: PasswordService,
        tokens: JwtService,
    ) -> Self {
        Self {
            users,
            sessions,
            passwords,
            tokens,
        }
    }

    /// Stores a new user and starts a session. Returns the user and the session's token.
    pub async fn sign_up(
        &self,
        email: &str,
        name: &str,
        password: &str,
    ) -> Result<(User, String), AuthError> {
        let hash = self.passwords.hash(password).await?;
        let user = self.users.create(email, name, &hash).await?;
        let token = self.start_session(&user).await?;
        Ok((user, token))
    }

    /// Starts a session for a known user. Returns the user and the session's token.
    pub async fn log_in(&self, email: &str, password: &str) -> Result<(User, String), AuthError> {
        let found = self.users.find_by_email(email).await?;
        let known = found.ok_or(AuthError::InvalidCredentials)?;
        if !self
            .passwords
            .verify(password, &known.password_hash)
            .await?
        {
            return Err(AuthError::InvalidCredentials);
        }
        let token = self.start_session(&known.user).await?;
        Ok((known.user, token))
    }

    /// Returns the claims of a token whose session lasts.
    pub async fn authenticate(&self, token: &str) -> Result<Claims, AuthError> {
        let claims = self.tokens.validate(token)?;
        let stored = self
            .sessions
            .find(claims.user_id, &claims.sub_token)
            .await?;
        if stored.as_deref() != Some(jwt::signature(token)) {
            return Err(AuthError::SessionEnded);
        }
        Ok(claims)
    }

    /// Ends a token's session.
    pub async fn log_out(&self, token: &str) -> Result<(), AuthError> {
        let claims = self.authenticate(token).await?;
        self.sessions
            .delete(claims.user_id, &claims.sub_token)
            .await?;
        Ok(())
    }

    async fn start_session(&self, user: &User) -> Result<String, AuthError> {
        let claims = self.tokens.new_claims(user.id);
        let token = self.tokens.sign(&claims)?;
        self.sessions.store(&claims, jwt::signature(&token)).await?;
        Ok(token)
    }
}
