//! An engine through the program `docker`, `podman` or `nerdctl`. It brings along what only the
//! program knows: contexts, engines behind SSH, credential helpers, sockets of one user.

mod arguments;
mod call;
#[cfg(test)]
pub(super) mod fake;
mod find;
mod json;
mod pull;
mod refusal;
mod run;

pub(super) use self::find::find;
pub(super) use self::run::Program;
