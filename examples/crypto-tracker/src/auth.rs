//! Sign-up and log-in: users in Postgres, their sessions in Redis.

mod error;
mod hs256;
mod jwt;
mod password;
mod service;
mod session;
#[cfg(test)]
mod tests;
mod user;

pub use error::AuthError;
pub use jwt::{Claims, JwtService};
pub use password::PasswordService;
pub use service::AuthService;
pub use session::SessionRepository;
pub use user::{User, UserRepository};
