//! Files do not depend on each other in cycles.
//!
//! A file depends on the files that define the names it uses. A name is followed through imports to
//! the file that defines it, so a re-export is no dependency of its own: `mod.rs` may re-export
//! what a child defines, and that child may use what `mod.rs` defines. If `mod.rs` also uses
//! something of the child, that is a cycle: what the child uses then belongs in a file beside it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::names::Kind;
use crate::resolve::{Crate, Follow, Target};
use crate::source::Violation;

/// The files that each file depends on, with the first line that names one.
type Dependencies = BTreeMap<String, BTreeMap<String, usize>>;

/// Finds cycles, the shortest first. A cycle is left out if a reported one has one of its
/// steps: the change that ends the one may end the other.
pub(crate) fn cycles(sources: &Crate) -> Vec<Violation> {
    let dependencies = dependencies(sources);
    let mut found = BTreeSet::new();
    for (from, targets) in &dependencies {
        for to in targets.keys() {
            if let Some(mut cycle) = shortest_path(&dependencies, to, from) {
                let smallest = cycle.iter().enumerate().min_by_key(|(_, path)| *path);
                let start = smallest.map_or(0, |(at, _)| at);
                cycle.rotate_left(start);
                found.insert((cycle.len(), cycle));
            }
        }
    }
    let mut reported = BTreeSet::new();
    let mut violations = Vec::new();
    for (_, cycle) in &found {
        let next = cycle.iter().cycle().skip(1);
        let steps: Vec<_> = cycle.iter().zip(next).collect();
        if steps.iter().any(|step| reported.contains(step)) {
            continue;
        }
        reported.extend(steps);
        violations.push(violation(&dependencies, cycle));
    }
    violations
}

fn dependencies(sources: &Crate) -> Dependencies {
    let mut dependencies = Dependencies::new();
    for (path, name) in sources.names() {
        if name.kind == Kind::ReExport {
            continue;
        }
        let target = match sources.target(name, Follow::All) {
            Target::Item(target) => target,
            // An import of a module is no dependency yet; what is named in the module is followed.
            Target::Module(target) if name.glob => target,
            _ => continue,
        };
        if target != path {
            let lines = dependencies.entry(path.to_owned()).or_default();
            let line = lines.entry(target).or_insert(name.line);
            *line = name.line.min(*line);
        }
    }
    dependencies
}

/// Returns the files on a shortest path from one file to another, both included.
fn shortest_path(dependencies: &Dependencies, from: &str, to: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
    let mut next = VecDeque::from([from]);
    while let Some(path) = next.pop_front() {
        if path == to {
            let mut files = vec![to.to_owned()];
            let mut at = to;
            while at != from {
                at = before[at];
                files.push(at.to_owned());
            }
            files.reverse();
            return Some(files);
        }
        for target in dependencies.get(path).into_iter().flat_map(BTreeMap::keys) {
            if !before.contains_key(target.as_str()) {
                before.insert(target, path);
                next.push_back(target);
            }
        }
    }
    None
}

fn violation(dependencies: &Dependencies, cycle: &[String]) -> Violation {
    let line = |at: usize| dependencies[&cycle[at]][&cycle[(at + 1) % cycle.len()]];
    let mut steps: Vec<_> = cycle
        .iter()
        .enumerate()
        .map(|(at, path)| format!("{path}:{}", line(at)))
        .collect();
    steps.push(cycle[0].clone());
    Violation {
        path: cycle[0].clone(),
        line: line(0),
        message: format!(
            "these files depend on each other in a cycle ({}): move what they share into a file of \
             its own",
            steps.join(" → ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::cycles;
    use crate::{assert_found, found};

    #[test]
    fn a_parent_may_re_export_what_a_child_defines() {
        let files = [
            (
                "a/mod.rs",
                "mod b; mod c; pub(crate) use self::b::B; pub(super) use c::*; pub struct A;",
            ),
            ("a/b.rs", "use super::A; pub struct B;"),
            ("a/c.rs", "use super::{A, B}; pub struct C;"),
            ("d.rs", "use crate::a::{A, B, C};"),
        ];
        assert_found(&found(cycles, &files), &[]);
    }

    #[test]
    fn a_parent_and_a_child_that_use_each_other_are_a_cycle() {
        let files = [
            ("a/mod.rs", "mod b;\nuse self::b::B;\npub struct A(B);"),
            ("a/b.rs", "use super::A; pub struct B;"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a/b.rs:1: these files depend on each other in a cycle (a/b.rs:1 → a/mod.rs:2 → a/b.rs): move",
            ],
        );
    }

    #[test]
    fn a_call_into_a_child_counts() {
        let files = [
            ("a/mod.rs", "mod b; pub struct A;\nfn f() { b::g() }"),
            ("a/b.rs", "pub fn g() { vec![super::A]; }"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a/b.rs:1: these files depend on each other in a cycle (a/b.rs:1 → a/mod.rs:2 → a/b.rs)",
            ],
        );
    }

    #[test]
    fn a_use_of_what_is_re_exported_counts() {
        let files = [
            ("a/mod.rs", "mod b; pub use self::b::B;\npub struct A(B);"),
            ("a/b.rs", "use super::A; pub struct B;"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a/b.rs:1: these files depend on each other in a cycle (a/b.rs:1 → a/mod.rs:2 → a/b.rs)",
            ],
        );
    }

    #[test]
    fn a_use_of_what_a_glob_re_exports_counts() {
        let files = [
            ("a/mod.rs", "mod b; pub use b::*;\npub struct A(B);"),
            ("a/b.rs", "use super::A; pub struct B;"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a/b.rs:1: these files depend on each other in a cycle (a/b.rs:1 → a/mod.rs:2 → a/b.rs)",
            ],
        );
    }

    #[test]
    fn files_beside_each_other_are_a_cycle_also_through_what_their_parent_re_exports() {
        let files = [
            ("a/mod.rs", "mod b; mod c; pub use self::b::B;"),
            (
                "a/b.rs",
                "use super::c; pub struct B; fn f() -> c::C { c::C }",
            ),
            ("a/c.rs", "use crate::a::B; pub struct C;"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a/b.rs:1: these files depend on each other in a cycle (a/b.rs:1 → a/c.rs:1 → a/b.rs)",
            ],
        );
    }

    #[test]
    fn a_longer_cycle_is_found_once() {
        let files = [
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::c::C; pub struct B;"),
            ("c.rs", "use crate::a::*; pub struct C;"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a.rs:1: these files depend on each other in a cycle (a.rs:1 → b.rs:1 → c.rs:1 → a.rs)",
            ],
        );
    }

    #[test]
    fn cycles_without_a_step_in_common_are_both_found() {
        let files = [
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::a::A; use crate::c::C; pub struct B;"),
            ("c.rs", "use crate::b::B; pub struct C;"),
        ];
        assert_found(
            &found(cycles, &files),
            &[
                "a.rs:1: these files depend on each other in a cycle (a.rs:1 → b.rs:1 → a.rs)",
                "b.rs:1: these files depend on each other in a cycle (b.rs:1 → c.rs:1 → b.rs)",
            ],
        );
    }

    #[test]
    fn a_variable_with_the_name_of_a_module_is_not_the_module() {
        let files = [
            (
                "a/mod.rs",
                "mod b; pub struct A; fn f(b: u8) -> u8 { let _ = format!(\"{}\", b); b }",
            ),
            ("a/b.rs", "use super::A;"),
        ];
        assert_found(&found(cycles, &files), &[]);
    }
}
