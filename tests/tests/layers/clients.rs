//! Types of database clients are public only where a feature can switch them off: in `clients/`.
//!
//! Checked: the signatures of `pub` items, and implementations of the crate's public traits. Not
//! checked: what an alias hides, and the associated types of implementations.

use std::collections::BTreeSet;

use syn::visit::Visit;
use syn::{Fields, ImplItem, Item, Visibility};

use crate::names::{Collector, Name};
use crate::resolve::{Crate, Follow, Target};
use crate::source::{Module, Violation};

/// Crates that are clients of databases. One that gets a file in `clients/` is added here.
const CLIENTS: &[&str] = &[
    "bb8",
    "bb8_postgres",
    "bb8_redis",
    "deadpool",
    "deadpool_postgres",
    "deadpool_redis",
    "diesel",
    "diesel_async",
    "diesel_migrations",
    "fred",
    "redis",
    "redis_0_32",
    "refinery_core",
    "sea_orm_1",
    "sea_orm_2",
    "sea_orm_migration_1",
    "sea_orm_migration_2",
    "sqlx",
    "sqlx_core",
    "sqlx_core_0_8",
    "sqlx_postgres",
    "sqlx_postgres_0_8",
    "tokio_postgres",
];

/// Finds types of clients in public signatures.
pub(crate) fn public_client_types(sources: &Crate) -> Vec<Violation> {
    let mut violations = BTreeSet::new();
    for file in &sources.files {
        let in_clients = file
            .path
            .split('/')
            .rev()
            .skip(1)
            .any(|folder| folder == "clients");
        if in_clients || file.path == "lib.rs" {
            continue;
        }
        let mut names = Vec::new();
        add_items(sources, &file.tree.items, &file.module, &mut names);
        for name in names {
            if let Some(client) = client(sources, &name) {
                violations.insert(Violation {
                    path: file.path.clone(),
                    line: name.line,
                    message: format!(
                        "a public signature names `{}` of `{client}`: move it into `clients/`, \
                         make it `pub(crate)`, or take a type of our own",
                        name.segments.join("::")
                    ),
                });
            }
        }
    }
    violations.into_iter().collect()
}

fn client(sources: &Crate, name: &Name) -> Option<String> {
    let Target::External(segments) = sources.target(name, Follow::All) else {
        return None;
    };
    CLIENTS
        .contains(&segments[0].as_str())
        .then(|| segments[0].clone())
}

/// Adds the names in public signatures.
fn add_items(sources: &Crate, items: &[Item], module: &Module, names: &mut Vec<Name>) {
    let mut collector = Collector::new(module);
    for item in items {
        match item {
            Item::Mod(item) => {
                if let Some((_, items)) = &item.content {
                    let mut inner = module.clone();
                    inner.push(item.ident.to_string());
                    add_items(sources, items, &inner, names);
                }
            }
            Item::Impl(item) => add_impl(sources, item, module, &mut collector),
            Item::Use(item) if is_public(&item.vis) => collector.visit_item_use(item),
            Item::Fn(item) if is_public(&item.vis) => collector.visit_signature(&item.sig),
            Item::Type(item) if is_public(&item.vis) => collector.visit_item_type(item),
            Item::Const(item) if is_public(&item.vis) => collector.visit_type(&item.ty),
            Item::Static(item) if is_public(&item.vis) => collector.visit_type(&item.ty),
            Item::Enum(item) if is_public(&item.vis) => collector.visit_item_enum(item),
            Item::Struct(item) if is_public(&item.vis) => {
                collector.visit_generics(&item.generics);
                add_fields(&item.fields, &mut collector);
            }
            Item::Trait(item) if is_public(&item.vis) => {
                let mut signatures = item.clone();
                for item in &mut signatures.items {
                    if let syn::TraitItem::Fn(method) = item {
                        method.default = None;
                    }
                }
                let mut of_trait = Collector::new(module);
                of_trait.visit_item_trait(&signatures);
                names.append(&mut of_trait.names);
            }
            _ => {}
        }
    }
    names.append(&mut collector.names);
}

fn add_fields(fields: &Fields, collector: &mut Collector) {
    for field in fields.iter().filter(|field| is_public(&field.vis)) {
        collector.visit_type(&field.ty);
    }
}

fn add_impl(sources: &Crate, item: &syn::ItemImpl, module: &Module, collector: &mut Collector) {
    if let Some((_, implemented, _)) = &item.trait_ {
        let mut of_trait = Collector::new(module);
        of_trait.visit_path(implemented);
        if of_trait
            .names
            .first()
            .is_some_and(|name| is_public_name(sources, name))
        {
            collector.names.append(&mut of_trait.names);
            collector.visit_type(&item.self_ty);
        }
        return;
    }
    for item in &item.items {
        match item {
            ImplItem::Fn(item) if is_public(&item.vis) => collector.visit_signature(&item.sig),
            ImplItem::Const(item) if is_public(&item.vis) => collector.visit_type(&item.ty),
            _ => {}
        }
    }
}

/// Returns whether `lib.rs` makes a name of the crate public, by the name that it has there.
fn is_public_name(sources: &Crate, name: &Name) -> bool {
    let target = sources.target(name, Follow::All);
    matches!(target, Target::Item(_))
        && sources.names().any(|(path, public)| {
            path == "lib.rs"
                && public.alias.is_some()
                && public.segments.last() == name.segments.last()
                && sources.target(public, Follow::All) == target
        })
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

#[cfg(test)]
mod tests {
    use super::public_client_types;
    use crate::{assert_found, found};

    #[test]
    fn no_public_signature_names_a_type_of_a_client() {
        let files = [(
            "postgres/mod.rs",
            "use sqlx::{PgPool, Row};
            pub fn a(pool: &PgPool) {}
            pub struct B { pub pool: Option<sqlx::PgPool> }
            pub enum C { D(PgPool) }
            pub trait E { fn f(&self) -> PgPool; }
            impl B { pub async fn g(&self) -> redis::Client { todo!() } }
            pub type H = PgPool;
            pub use sqlx::Executor;",
        )];
        let lines = found(public_client_types, &files);
        assert_found(
            &lines,
            &[
                "postgres/mod.rs:2: a public signature names `PgPool` of `sqlx`: move it into `clients/`",
                "postgres/mod.rs:3: a public signature names `sqlx::PgPool` of `sqlx`",
                "postgres/mod.rs:4: a public signature",
                "postgres/mod.rs:5: a public signature",
                "postgres/mod.rs:6: a public signature names `redis::Client` of `redis`",
                "postgres/mod.rs:7: a public signature",
                "postgres/mod.rs:8: a public signature",
            ],
        );
    }

    #[test]
    fn a_public_trait_is_implemented_for_a_client_in_clients_only() {
        let pool = "use crate::inject::FromContext; impl FromContext for sqlx::PgPool {}";
        let files = [
            ("lib.rs", "mod inject; pub use inject::FromContext;"),
            ("inject.rs", "pub trait FromContext {}"),
            ("postgres/mod.rs", pool),
            ("postgres/clients/sqlx.rs", pool),
        ];
        let lines = found(public_client_types, &files);
        assert_found(
            &lines,
            &["postgres/mod.rs:1: a public signature names `sqlx::PgPool`"],
        );
    }

    #[test]
    fn what_is_not_public_may_name_them() {
        let files = [
            ("lib.rs", "pub use sqlx;"),
            (
                "postgres/mod.rs",
                "use sqlx::PgPool;
                pub(crate) fn a(pool: &PgPool) { sqlx::query(\"\"); }
                pub struct B { pool: PgPool, pub(crate) row: sqlx::PgRow }
                trait C {}
                impl C for PgPool {}
                impl B { fn d() -> PgPool { todo!() } }",
            ),
        ];
        assert_found(&found(public_client_types, &files), &[]);
    }
}
