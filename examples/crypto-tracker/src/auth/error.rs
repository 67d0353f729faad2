//! What can go wrong with sign-up and log-in.

/// Why a user could not sign up, log in or be recognised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is an account with this e-mail address.
    #[error("the e-mail address is taken")]
    EmailExists,
    /// No user has this e-mail address and this password.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// The password is longer than bcrypt takes into account.
    #[error("the password is longer than 71 bytes")]
    PasswordTooLong,
    /// The token is forged, malformed or too old.
    #[error("the token is not valid")]
    InvalidToken(#[source] jsonwebtoken::errors::Error),
    /// The token is valid, but its session was ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The secret that signs tokens is too short.
    #[error("the secret is shorter than the 32 bytes that HS256 asks for")]
    WeakSecret,
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
    /// The password could not be hashed, or the stored hash is none.
    #[error("the password could not be hashed")]
    Hashing(#[source] bcrypt::BcryptError),
    /// The thread that hashes was stopped.
    #[error("hashing was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
    /// Postgres refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// Redis refused.
    #[error("the session store refused")]
    Redis(#[from] redis::RedisError),
}
