//! NATS as a service of `container-test`: each test gets an account of a shared `nats-server`.
//!
//! It is the example of the page "Write a service", `docs/write-a-service.md`.

mod nats;

pub use async_nats;
pub use nats::{Account, Nats, NatsClient, Server};
