//! Containers of any image, as a test asks for them: the image's own program, ports and conditions
//! of readiness, through testcontainers.
//!
//! The image's program runs under the watchdog, and each process that uses the container holds a
//! lease on it: a process in the container that ends when the connection to the engine does. (A
//! connection to a port would not do: an image may have no port, or close connections that are not
//! used.) An image without a shell can have no watchdog. Its container is removed by the process
//! that has created it, or by a later one: see `sweep.rs`.

mod attempt;
mod failure;
mod held;
mod identity;
mod lease;
mod log;
mod plan;
mod request;
mod running;
mod settings;
mod shared;
mod shell;
mod start;
mod watched;

pub(crate) use self::held::Own;
pub use self::request::ContainerImage;
pub(crate) use self::request::ImageRequest;
pub use self::running::ExecOutput;
pub(crate) use self::running::Running;
pub(crate) use self::start::Containers;
