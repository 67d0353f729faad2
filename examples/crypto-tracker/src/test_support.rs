//! Makes the crate's own types injectable into its tests.
//!
//! A trait of another crate can be implemented only beside the type, so this is part of the
//! library, for its unit tests; a test in `tests/` makes a type of its own injectable.

use std::time::Duration;

use container_test::{Declares, Error, FromContext, Postgres, Redis, Result, TestContext};

use crate::alerts::AlertRepository;
use crate::auth::{AuthService, JwtService, PasswordService, SessionRepository, UserRepository};

const SECRET: &str = "test-secret-key-that-is-long-enough-for-hs256";
const LIFETIME: Duration = Duration::from_hours(1);

/// Real bcrypt, at the lowest cost that it allows.
const CHEAP: u32 = 4;

impl<D: Declares<Postgres>> FromContext<D> for AlertRepository {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self::new(cx.get().await?))
    }
}

impl<D: Declares<Redis>> FromContext<D> for SessionRepository {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self::new(cx.get().await?))
    }
}

impl<D> FromContext<D> for JwtService {
    async fn from_context(_: &TestContext<D>) -> Result<Self> {
        Self::new(SECRET, LIFETIME)
            .map_err(|error| Error::new("make the service that signs tokens").because(error))
    }
}

impl<D: Declares<Postgres> + Declares<Redis>> FromContext<D> for AuthService {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self::new(
            UserRepository::new(cx.get().await?),
            cx.get().await?,
            PasswordService::with_cost(CHEAP),
            cx.get().await?,
        ))
    }
}
