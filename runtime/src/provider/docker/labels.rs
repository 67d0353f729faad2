//! The labels that containers have.

/// The server's password.
pub(super) const PASSWORD: &str = "container-test.password";

/// The service's name.
pub(super) const SERVICE: &str = "container-test.service";

/// The user whose container it is: every container that this crate creates has this label.
pub(super) const USER: &str = "container-test.user";

/// A random text of the call that created the container. Only what has the text of this process's
/// own call was created by it.
pub(super) const CREATION: &str = "container-test.creation";

/// The process that removes the container when it is done, as `lifecycle::holder` writes it: a
/// container with this label does not end by itself.
pub(super) const HOLDER: &str = "container-test.holder";
