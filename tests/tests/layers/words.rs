//! What only one folder or file may name.

use std::collections::BTreeSet;

use crate::resolve::{Crate, Follow, Target};
use crate::source::Violation;

/// What speaks to container engines through their crates.
const ENGINE: [&str; 2] = [
    "provider/docker/engine/library",
    "provider/docker/containers/",
];

/// The file that re-exports other crates for users.
const ROOT: &str = "lib.rs";

/// The file that reads the environment.
const CONFIG: &str = "config.rs";

/// Finds crates for container engines outside of what speaks to them.
pub(crate) fn container_crates(sources: &Crate) -> Vec<Violation> {
    external_names(sources, |path, segments| {
        let name = &segments[0];
        let forbidden = name.starts_with("testcontainers") || name == "bollard";
        let speaks = path == ROOT || ENGINE.iter().any(|part| path.starts_with(part));
        (forbidden && !speaks).then(|| {
            format!(
                "`{name}` is named outside of {}: move the code there, or hand over a plain type",
                ENGINE.join(" and ")
            )
        })
    })
}

/// Finds uses of `std::env` outside of `config.rs`.
pub(crate) fn environment(sources: &Crate) -> Vec<Violation> {
    external_names(sources, |path, segments| {
        let forbidden = segments.starts_with(&["std".to_owned(), "env".to_owned()]);
        (forbidden && path != CONFIG).then(|| {
            format!("`std::env` is used outside of {CONFIG}: add a function there and call it")
        })
    })
}

/// Looks at every name of something in another crate, at the place that writes it out.
fn external_names(
    sources: &Crate,
    mistake: impl Fn(&str, &[String]) -> Option<String>,
) -> Vec<Violation> {
    let mut violations = BTreeSet::new();
    for (path, name) in sources.names() {
        if !sources.is_written_out(name) {
            continue;
        }
        let Target::External(segments) = sources.target(name, Follow::All) else {
            continue;
        };
        if let Some(message) = mistake(path, &segments) {
            violations.insert(Violation {
                path: path.to_owned(),
                line: name.line,
                message,
            });
        }
    }
    violations.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{container_crates, environment};
    use crate::{assert_found, found};

    #[test]
    fn two_parts_of_the_docker_provider_alone_name_testcontainers_and_bollard() {
        let files = [
            (
                "provider/docker/engine/library",
                "use bollard::Docker; pub(crate) use testcontainers::Image;",
            ),
            (
                "provider/docker/containers/plan.rs",
                "use testcontainers::Image;",
            ),
            ("provider/docker/create.rs", "use bollard::Docker;"),
            ("provider/mod.rs", "mod docker;"),
            (
                "provider/local.rs",
                "use testcontainers::core::WaitFor;\nfn f(d: &::bollard::Docker) {}",
            ),
            ("error.rs", "use testcontainers_modules as modules;"),
        ];
        let lines = found(container_crates, &files);
        assert_found(
            &lines,
            &[
                "error.rs:1: `testcontainers_modules` is named outside of provider/docker/engine/",
                "provider/docker/create.rs:1: `bollard` is named",
                "provider/local.rs:1: `testcontainers` is named",
                "provider/local.rs:2: `bollard` is named",
            ],
        );
    }

    #[test]
    fn what_the_docker_provider_re_exports_of_them_counts() {
        let files = [
            (
                "provider/docker/containers/mod.rs",
                "pub(crate) use testcontainers::Image;",
            ),
            ("provider/docker/mod.rs", "mod containers;"),
            (
                "provider/mod.rs",
                "mod docker;\nuse self::docker::containers::Image;",
            ),
        ];
        let lines = found(container_crates, &files);
        assert_found(&lines, &["provider/mod.rs:2: `testcontainers` is named"]);
    }

    #[test]
    fn the_root_may_re_export_them() {
        let files = [("lib.rs", "pub use testcontainers::{self, GenericImage};")];
        assert_found(&found(container_crates, &files), &[]);
    }

    #[test]
    fn comments_and_strings_may_name_them() {
        let files = [(
            "error.rs",
            "//! Of `testcontainers::Image`.\nconst A: &str = \"bollard::Docker\";",
        )];
        assert_found(&found(container_crates, &files), &[]);
    }

    #[test]
    fn config_alone_reads_the_environment() {
        let files = [
            ("config.rs", "use std::env; fn f() { env::var(\"A\"); }"),
            (
                "run.rs",
                "use std::{\n    env,\n    fs,\n};\nfn f() { env::var_os(\"A\"); }",
            ),
            (
                "report.rs",
                "fn f() { println!(\"{:?}\", std::env::temp_dir()) }",
            ),
        ];
        let lines = found(environment, &files);
        assert_found(
            &lines,
            &[
                "report.rs:1: `std::env` is used outside of config.rs: ",
                "run.rs:2: `std::env` is used",
            ],
        );
    }

    #[test]
    fn the_environment_of_a_child_and_of_the_compiler_may_be_named() {
        let files = [(
            "run.rs",
            "fn f(c: &mut Command) { c.env(\"A\", env!(\"B\")); }",
        )];
        assert_found(&found(environment, &files), &[]);
    }
}
