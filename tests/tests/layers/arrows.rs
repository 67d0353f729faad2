//! Imports go to lower layers only.

use std::collections::BTreeSet;

use syn::Item;
use syn::spanned::Spanned;

use crate::names::Kind;
use crate::resolve::{Crate, Follow, Target};
use crate::source::Violation;

/// The layers from top to bottom. Each is a list of entries, which must not use each other. An
/// entry is a list of files and folders of `src`, which may use each other.
const LAYERS: &[&[&[&str]]] = &[
    &[&["lib"], &["__private"]],
    &[&["postgres"], &["redis"], &["image"]],
    &[&["builder"]],
    &[&["run"]],
    &[&["provide"]],
    &[&["seeds", "inject", "context"]],
    &[&["process"]],
    &[&["provider"]],
    &[&["service"]],
    &[&["lifecycle"]],
    &[&[
        "background",
        "config",
        "error",
        "record",
        "report",
        "timeline",
        "once",
        "hash",
    ]],
];

/// Finds files that no layer has, which could use everything.
pub(crate) fn files_without_a_layer(sources: &Crate) -> Vec<Violation> {
    let files = sources.files.iter();
    files
        .filter(|file| layer_of(top(&file.path)).is_none())
        .map(|file| Violation {
            path: file.path.clone(),
            line: 1,
            message: format!(
                "`{}` is in no layer: move the file into one, or add it to `LAYERS` in \
                 tests/tests/layers/arrows.rs and to ARCHITECTURE.md",
                top(&file.path)
            ),
        })
        .collect()
}

/// Finds what the crate's root has besides modules and re-exports.
pub(crate) fn definitions_in_the_root(sources: &Crate) -> Vec<Violation> {
    let root = sources.files.iter().find(|file| file.path == "lib.rs");
    let items = root.into_iter().flat_map(|root| &root.tree.items);
    items
        .filter(|item| !matches!(item, Item::Mod(_) | Item::Use(_)))
        .map(|item| Violation {
            path: "lib.rs".to_owned(),
            line: item.span().start().line,
            message: "the crate's root has modules and re-exports only: move this into a module"
                .to_owned(),
        })
        .collect()
}

/// Finds paths that lead up, or to another entry of the same layer.
pub(crate) fn wrong_arrows(sources: &Crate) -> Vec<Violation> {
    let mut violations = BTreeSet::new();
    for (path, name) in sources.names() {
        if !sources.is_written_out(name) {
            continue;
        }
        let target = match sources.target(name, Follow::Root) {
            Target::Item(target) => target,
            // In code, a name that is only a module is something local that is called the same.
            Target::Module(target) if name.kind != Kind::Code => target,
            _ => continue,
        };
        let (from, to) = (top(path), top(&target));
        let (Some(above), Some(below)) = (layer_of(from), layer_of(to)) else {
            continue;
        };
        if below.0 > above.0 || below == above {
            continue;
        }
        let (here, there) = (above.0 + 1, below.0 + 1);
        let mistake = if to == "lib" {
            format!(
                "`{from}` uses `{}` of the crate's root: name the module that defines it",
                name.segments.join("::")
            )
        } else if here == there {
            format!(
                "`{from}` uses `{to}`, which is beside it in layer {here}: move what both need \
                 into a lower layer"
            )
        } else {
            format!(
                "`{from}` in layer {here} uses `{to}` in layer {there} above it: move what both \
                 need into layer {here} or below, or let `{to}` pass it in"
            )
        };
        violations.insert(Violation {
            path: path.to_owned(),
            line: name.line,
            message: mistake,
        });
    }
    violations.into_iter().collect()
}

/// Returns the file or folder of `src` that a file is or is in, without `.rs`.
fn top(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.trim_end_matches(".rs")
}

/// Returns the layer, and the entry in it.
fn layer_of(top: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(layer, entries)| {
        let entry = entries.iter().position(|entry| entry.contains(&top))?;
        Some((layer, entry))
    })
}

#[cfg(test)]
mod tests {
    use super::{definitions_in_the_root, files_without_a_layer, wrong_arrows};
    use crate::{assert_found, found};

    #[test]
    fn a_file_belongs_to_a_layer() {
        let files = [("lib.rs", ""), ("util.rs", ""), ("provider/mod.rs", "")];
        let lines = found(files_without_a_layer, &files);
        assert_found(&lines, &["util.rs:1: `util` is in no layer: move"]);
    }

    #[test]
    fn every_layer_may_use_those_below_it() {
        let files = [
            (
                "lib.rs",
                "mod postgres; pub use postgres::Postgres; pub use error::Error;",
            ),
            (
                "postgres/mod.rs",
                "mod clone; use crate::run::run; use crate::{Error, config}; pub struct Postgres;",
            ),
            (
                "postgres/clone.rs",
                "use super::Postgres; fn f() { crate::report::say() }",
            ),
            ("run.rs", "use crate::context::TestContext; pub fn run() {}"),
            (
                "context.rs",
                "use crate::inject::FromContext; use crate::process; use crate::service::Slot;",
            ),
            (
                "inject.rs",
                "pub trait FromContext { fn f(context: &crate::context::TestContext); }",
            ),
            (
                "provider/mod.rs",
                "use crate::lifecycle::lock; use crate::service::Endpoint;",
            ),
            (
                "lifecycle/mod.rs",
                "use crate::error::Error; pub fn lock() {}",
            ),
            ("error.rs", "use crate::report; pub struct Error;"),
            ("report.rs", "pub fn say() {}"),
            ("config.rs", ""),
            ("process.rs", ""),
            ("service.rs", "pub struct Endpoint;"),
        ];
        assert_found(&found(wrong_arrows, &files), &[]);
    }

    #[test]
    fn a_wing_does_not_use_another_wing() {
        let files = [
            ("postgres/mod.rs", "\nuse crate::redis::Keyspace;"),
            ("redis/mod.rs", "pub struct Keyspace;"),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &["postgres/mod.rs:2: `postgres` uses `redis`, which is beside it in layer 2: "],
        );
    }

    #[test]
    fn a_wing_does_not_use_another_wing_by_a_name_of_the_root() {
        let files = [
            (
                "lib.rs",
                "mod postgres; mod redis; pub use redis::{Keyspace, Redis as Cache};",
            ),
            (
                "postgres/mod.rs",
                "use crate::{\n    Keyspace,\n    Cache,\n};",
            ),
            (
                "redis/mod.rs",
                "pub use self::keyspace::Keyspace; pub struct Redis;",
            ),
            ("redis/keyspace.rs", "pub struct Keyspace;"),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &[
                "postgres/mod.rs:2: `postgres` uses `redis`",
                "postgres/mod.rs:3: `postgres` uses `redis`",
            ],
        );
    }

    #[test]
    fn a_client_crate_with_the_name_of_a_wing_is_not_the_wing() {
        let files = [
            (
                "postgres/mod.rs",
                "use redis::Client; use ::redis::Value; fn f() { redis::cmd() }",
            ),
            ("redis/mod.rs", ""),
        ];
        assert_found(&found(wrong_arrows, &files), &[]);
    }

    #[test]
    fn a_provider_does_not_use_a_wing() {
        let files = [
            (
                "provider/docker/create.rs",
                "fn f() -> crate::postgres::Postgres { todo!() }",
            ),
            ("provider/docker/mod.rs", "mod create;"),
            ("provider/mod.rs", "mod docker;"),
            ("postgres/mod.rs", "pub struct Postgres;"),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &[
                "provider/docker/create.rs:1: `provider` in layer 8 uses `postgres` in layer 2 above it: ",
            ],
        );
    }

    #[test]
    fn the_trait_of_services_does_not_use_providers() {
        let files = [
            ("service.rs", "use super::provider;"),
            ("provider/mod.rs", ""),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &["service.rs:1: `service` in layer 9 uses `provider` in layer 8"],
        );
    }

    #[test]
    fn lifecycle_does_not_use_services() {
        let files = [
            ("lifecycle/locks.rs", "use super::super::service::*;"),
            ("lifecycle/mod.rs", ""),
            ("service.rs", ""),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &["lifecycle/locks.rs:1: `lifecycle` in layer 10 uses `service` in layer 9"],
        );
    }

    #[test]
    fn what_all_layers_use_does_not_use_them() {
        let files = [
            ("error.rs", "use crate::context::TestContext;"),
            ("context.rs", "pub struct TestContext;"),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &["error.rs:1: `error` in layer 11 uses `context` in layer 6"],
        );
    }

    #[test]
    fn the_run_does_not_use_the_builder() {
        let files = [
            ("run.rs", "fn f() { crate::builder::build() }"),
            ("builder.rs", "pub fn build() {}"),
        ];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &["run.rs:1: `run` in layer 4 uses `builder` in layer 3"],
        );
    }

    #[test]
    fn the_root_defines_nothing() {
        let files = [(
            "lib.rs",
            "//! Guide.
            mod config;
            pub use config::Config;
            #[cfg(doctest)] struct ReadMe;
            pub fn f() {}",
        )];
        let lines = found(definitions_in_the_root, &files);
        assert_found(
            &lines,
            &["lib.rs:5: the crate's root has modules and re-exports only: "],
        );
    }

    #[test]
    fn nothing_uses_what_the_root_defines() {
        let files = [("lib.rs", "pub fn f() {}"), ("config.rs", "use crate::f;")];
        let lines = found(wrong_arrows, &files);
        assert_found(
            &lines,
            &["config.rs:1: `config` uses `crate::f` of the crate's root: "],
        );
    }

    #[test]
    fn a_path_in_a_macro_counts() {
        let files = [
            (
                "service.rs",
                "fn f() {\n    format!(\"{}\", crate::provider::name())\n}",
            ),
            ("provider/mod.rs", "pub fn name() {}"),
        ];
        assert_found(&found(wrong_arrows, &files), &["service.rs:2: `service`"]);
    }

    #[test]
    fn a_path_in_an_inline_module_counts() {
        let files = [
            (
                "service.rs",
                "mod inner { use super::super::provider::name; }",
            ),
            ("provider/mod.rs", "pub fn name() {}"),
        ];
        assert_found(&found(wrong_arrows, &files), &["service.rs:1: `service`"]);
    }
}
