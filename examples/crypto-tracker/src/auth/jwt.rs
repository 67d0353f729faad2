//! Signed tokens.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AuthError, hs256};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user whom the token was given to.
    pub user_id: i32,
    /// The session that the token belongs to.
    pub sub_token: String,
    /// When the token was made, in seconds of Unix time.
    pub iat: u64,
    /// When the token ends, in seconds of Unix time.
    pub exp: u64,
}

/// Signs and checks tokens, by HS256.
#[derive(Clone)]
pub struct JwtService {
    signing: EncodingKey,
    checking: DecodingKey,
    lifetime: Duration,
}

impl JwtService {
    /// A service for tokens that are signed by `secret` and end after `lifetime`.
    pub fn new(secret: &str, lifetime: Duration) -> Result<Self, AuthError> {
        // RFC 7518, section 3.2: at least as long as the hash.
        if secret.len() < 32 {
            return Err(AuthError::WeakSecret);
        }
        hs256::install();
        Ok(Self {
            signing: EncodingKey::from_secret(secret.as_bytes()),
            checking: DecodingKey::from_secret(secret.as_bytes()),
            lifetime,
        })
    }

    /// Claims for a new session of the given user.
    #[must_use]
    pub fn new_claims(&self, user_id: i32) -> Claims {
        let now = jsonwebtoken::get_current_timestamp();
        Claims {
            user_id,
            sub_token: Uuid::new_v4().to_string(),
            iat: now,
            exp: now + self.lifetime.as_secs(),
        }
    }

    /// The claims as a signed token.
    pub fn sign(&self, claims: &Claims) -> Result<String, AuthError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .map_err(AuthError::Signing)
    }

    /// The claims of a token whose signature is right and whose time is not over.
    pub fn validate(&self, token: &str) -> Result<Claims, AuthError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        jsonwebtoken::decode(token, &self.checking, &validation)
            .map(|token| token.claims)
            .map_err(AuthError::InvalidToken)
    }
}

impl fmt::Debug for JwtService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtService")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// The signature of a token: its third part.
pub(super) fn signature(token: &str) -> &str {
    token.rsplit('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn service() -> JwtService {
        JwtService::new("unit-test-secret-of-more-than-32-bytes", HOUR).unwrap()
    }

    #[test]
    fn a_signed_token_gives_its_claims_back() {
        let claims = service().new_claims(7);
        let token = service().sign(&claims).unwrap();
        assert_eq!(service().validate(&token).unwrap(), claims);
    }

    #[test]
    fn each_session_has_a_sub_token_of_its_own() {
        assert_ne!(
            service().new_claims(7).sub_token,
            service().new_claims(7).sub_token
        );
    }

    #[test]
    fn rejects_a_token_signed_with_another_key() {
        let other = JwtService::new("quite-another-secret-of-more-than-32-bytes", HOUR).unwrap();
        let token = other.sign(&other.new_claims(7)).unwrap();
        assert!(matches!(
            service().validate(&token),
            Err(AuthError::InvalidToken(_))
        ));
    }

    #[test]
    fn rejects_a_token_whose_claims_were_changed() {
        let token = service().sign(&service().new_claims(7)).unwrap();
        let other = service().sign(&service().new_claims(8)).unwrap();
        let (claims_of_7, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{claims_of_7}.{}", signature(&other));
        assert!(matches!(
            service().validate(&forged),
            Err(AuthError::InvalidToken(_))
        ));
    }

    #[test]
    fn rejects_a_token_that_names_no_algorithm() {
        // {"alg":"none","typ":"JWT"}
        let token = service().sign(&service().new_claims(7)).unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
        assert!(matches!(
            service().validate(&unsigned),
            Err(AuthError::InvalidToken(_))
        ));
    }

    #[test]
    fn rejects_a_token_whose_time_is_over() {
        let mut claims = service().new_claims(7);
        claims.exp = claims.iat - 1;
        let token = service().sign(&claims).unwrap();
        assert!(matches!(
            service().validate(&token),
            Err(AuthError::InvalidToken(_))
        ));
    }

    #[test]
    fn the_signature_is_the_third_part() {
        assert_eq!(signature("header.claims.signature"), "signature");
    }

    #[test]
    fn rejects_a_short_secret() {
        assert!(matches!(
            JwtService::new("short", HOUR),
            Err(AuthError::WeakSecret)
        ));
    }

    #[test]
    fn the_secret_does_not_show_in_debug_output() {
        assert!(!format!("{:?}", service()).contains("secret"));
    }
}
