//! The database of a server that holds what processes know of each other. Servers of ours are
//! prepared with it.

use crate::hash::digest;

/// Its name on a server of ours. The number is that of its layout, so that several versions of
/// this crate can use one server.
pub(super) const NAME: &str = "container_test_4";

/// The most bytes that PostgreSQL takes of a name.
const LONGEST: usize = 63;

/// Returns its name on a server given by URL, where a role may not use what another has made.
pub(super) fn name_for(role: &str) -> String {
    let name = format!("{NAME}_{role}");
    if name.len() <= LONGEST {
        name
    } else {
        format!("{NAME}_{}", digest(role, 16))
    }
}

/// What makes its contents; may be repeated.
pub(super) const SCRIPT: &str = include_str!("registry.sql");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_roles_have_the_same_registry() {
        let (one, another) = ("ö".repeat(32), format!("{}o", "ö".repeat(31)));
        let names = ["postgres", "tester", &one, &another].map(name_for);
        assert_eq!(names[1], "container_test_4_tester");
        assert!(names.iter().all(|name| name.len() <= LONGEST), "{names:?}");
        assert_ne!(names[2], names[3]);
    }
}
