//! Sources as syntax trees, without the code that only tests compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ImplItem, Item, Meta, Stmt, Token, TraitItem};

/// Text by path: `lib.rs`, `provider/docker/mod.rs`.
pub(crate) type Sources = BTreeMap<String, String>;

/// The path of a module from the crate's root, without `crate`.
pub(crate) type Module = Vec<String>;

/// One source file.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) module: Module,
    pub(crate) tree: syn::File,
}

/// A line that breaks a rule, and what to do about it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Parses all files, and leaves out what only tests compile: items and whole files.
pub(crate) fn parse(sources: &Sources) -> Vec<File> {
    let mut files: Vec<_> = sources
        .iter()
        .map(|(path, text)| File {
            path: path.clone(),
            module: module_of(path),
            tree: syn::parse_file(text).unwrap_or_else(|error| {
                panic!("{path}:{}: {error}", error.span().start().line);
            }),
        })
        .collect();
    let mut test_modules = BTreeSet::new();
    for file in &files {
        if requires_tests(&file.tree.attrs) {
            test_modules.insert(file.module.clone());
        }
        add_test_modules(&file.tree.items, &file.module, &mut test_modules);
    }
    files.retain(|file| {
        !test_modules
            .iter()
            .any(|module| file.module.starts_with(module))
    });
    for file in &mut files {
        WithoutTests.visit_file_mut(&mut file.tree);
    }
    files
}

/// Returns the module that a file is: `a/b.rs` is `a::b`, `a/mod.rs` is `a`.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(ToOwned::to_owned).collect();
    if path == "lib" || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

fn add_test_modules(items: &[Item], module: &Module, found: &mut BTreeSet<Module>) {
    for item in items {
        let Item::Mod(item) = item else { continue };
        let mut inner = module.clone();
        inner.push(item.ident.to_string());
        if requires_tests(&item.attrs) {
            found.insert(inner);
        } else if let Some((_, items)) = &item.content {
            add_test_modules(items, &inner, found);
        }
    }
}

struct WithoutTests;

impl VisitMut for WithoutTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !requires_tests(item_attrs(item)));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, item: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut item.content {
            items.retain(|item| !requires_tests(item_attrs(item)));
        }
        visit_mut::visit_item_mod_mut(self, item);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|item| {
            !requires_tests(match item {
                ImplItem::Const(item) => &item.attrs,
                ImplItem::Fn(item) => &item.attrs,
                ImplItem::Type(item) => &item.attrs,
                ImplItem::Macro(item) => &item.attrs,
                _ => &[],
            })
        });
        visit_mut::visit_item_impl_mut(self, item);
    }

    fn visit_item_trait_mut(&mut self, item: &mut syn::ItemTrait) {
        item.items.retain(|item| {
            !requires_tests(match item {
                TraitItem::Const(item) => &item.attrs,
                TraitItem::Fn(item) => &item.attrs,
                TraitItem::Type(item) => &item.attrs,
                TraitItem::Macro(item) => &item.attrs,
                _ => &[],
            })
        });
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| {
            !requires_tests(match statement {
                Stmt::Item(item) => item_attrs(item),
                Stmt::Local(local) => &local.attrs,
                Stmt::Macro(call) => &call.attrs,
                Stmt::Expr(..) => &[],
            })
        });
        visit_mut::visit_block_mut(self, block);
    }
}

fn item_attrs(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns whether attributes include `#[test]`, `#[cfg(test)]` or `#[cfg(all(test, …))]`, or the
/// same with `doctest`.
fn requires_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let last = attribute.path().segments.last();
        last.is_some_and(|last| last.ident == "test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<Meta>()
                    .is_ok_and(|condition| holds_in_tests_only(&condition))
    })
}

fn holds_in_tests_only(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("doctest"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(holds_in_tests_only)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::{assert_found, found, panics};

    #[test]
    fn leaves_out_what_only_tests_compile() {
        let lines = found(
            panics::panics,
            &[
                ("lib.rs", "#[cfg(test)] mod tests; mod a;"),
                ("tests.rs", "fn f() { panic!() }"),
                ("tests/inner.rs", "fn f() { panic!() }"),
                (
                    "a.rs",
                    "#[cfg(test)] mod tests { fn f() { panic!() } }
                    #[cfg(all(test, unix))] fn g() { panic!() }
                    struct S;
                    impl S { #[cfg(test)] fn h() { panic!() } }
                    #[test] fn i() { panic!() }",
                ),
            ],
        );
        assert_found(&lines, &[]);
    }

    #[test]
    fn reads_what_other_conditions_leave_in() {
        let lines = found(
            panics::panics,
            &[(
                "a.rs",
                "#[cfg(not(test))] fn f() { panic!() }
                #[cfg(any(test, unix))] fn g() { panic!() }",
            )],
        );
        assert_found(&lines, &["a.rs:1: ", "a.rs:2: "]);
    }
}
