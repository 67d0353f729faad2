//! Password hashes.

use bcrypt::BcryptError;
use tokio::task::spawn_blocking;

use super::AuthError;

/// Hashes and checks passwords, by bcrypt.
#[derive(Clone, Copy, Debug)]
pub struct PasswordService {
    cost: u32,
}

impl PasswordService {
    /// A service that spends 2^`cost` rounds on each hash; bcrypt takes 4 to 31.
    #[must_use]
    pub fn with_cost(cost: u32) -> Self {
        Self { cost }
    }

    /// The salted hash of a password.
    pub async fn hash(&self, password: &str) -> Result<String, AuthError> {
        let (password, cost) = (password.to_owned(), self.cost);
        // A hash keeps a core busy for a quarter of a second, by intention.
        spawn_blocking(move || bcrypt::non_truncating_hash(password, cost))
            .await?
            .map_err(|error| match error {
                BcryptError::Truncation(_) => AuthError::PasswordTooLong,
                error => AuthError::Hashing(error),
            })
    }

    /// Whether the hash was made of this password.
    pub async fn verify(&self, password: &str, hash: &str) -> Result<bool, AuthError> {
        let (password, hash) = (password.to_owned(), hash.to_owned());
        spawn_blocking(move || bcrypt::verify(password, &hash))
            .await?
            .map_err(AuthError::Hashing)
    }
}

impl Default for PasswordService {
    fn default() -> Self {
        Self::with_cost(bcrypt::DEFAULT_COST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordService = PasswordService { cost: 4 };

    #[tokio::test]
    async fn the_hash_fits_its_password_and_no_other() {
        let hash = CHEAP.hash("securePassword123!@#").await.unwrap();
        assert!(CHEAP.verify("securePassword123!@#", &hash).await.unwrap());
        assert!(!CHEAP.verify("wrongpassword", &hash).await.unwrap());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let (one, other) = (
            CHEAP.hash("password123").await,
            CHEAP.hash("password123").await,
        );
        assert_ne!(one.unwrap(), other.unwrap());
    }

    #[tokio::test]
    async fn refuses_a_password_that_bcrypt_would_cut() {
        let outcome = CHEAP.hash(&"x".repeat(72)).await;
        assert!(matches!(outcome, Err(AuthError::PasswordTooLong)));
    }
}
