//! From a path as it is written to the file that it means.

use std::collections::{BTreeMap, BTreeSet};

use syn::Item;

use crate::names::{self, Name};
use crate::source::{File, Module, Sources, parse};

/// A crate's files, and what each of its modules has.
pub(crate) struct Crate {
    pub(crate) files: Vec<File>,
    names: BTreeMap<String, Vec<Name>>,
    modules: BTreeMap<Module, Scope>,
}

/// What can be named in a module.
#[derive(Default)]
struct Scope {
    path: String,
    defined: BTreeSet<String>,
    imported: BTreeMap<String, Name>,
    globs: Vec<Name>,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module, in this file.
    Module(String),
    /// Something in this file.
    Item(String),
    /// Something that no file of the crate has: of another crate, or a local name.
    External(Vec<String>),
}

/// Which imports are followed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Those of `lib.rs`, whose public names stand for modules of every layer.
    Root,
    /// All, up to the file that defines the name.
    All,
}

/// How many imports in a row are followed. More would be a cycle of globs.
const LONGEST_WAY: usize = 16;

impl Crate {
    pub(crate) fn parse(sources: &Sources) -> Self {
        let files = parse(sources);
        let mut modules = BTreeMap::new();
        let mut names = BTreeMap::new();
        for file in &files {
            add_scopes(&mut modules, &file.module, &file.path, &file.tree.items);
        }
        for file in &files {
            let found = names::of_file(file);
            for name in &found {
                let Some(scope) = modules.get_mut(&name.module) else {
                    continue;
                };
                if name.glob {
                    scope.globs.push(name.clone());
                } else if let Some(alias) = &name.alias {
                    scope
                        .imported
                        .entry(alias.clone())
                        .or_insert_with(|| name.clone());
                }
            }
            names.insert(file.path.clone(), found);
        }
        Self {
            files,
            names,
            modules,
        }
    }

    /// Returns all paths that are named, with the paths of their files.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &Name)> {
        self.names
            .iter()
            .flat_map(|(path, names)| names.iter().map(move |name| (path.as_str(), name)))
    }

    /// Returns whether a name is written out, rather than by what an import calls it.
    pub(crate) fn is_written_out(&self, name: &Name) -> bool {
        let first = &name.segments[0];
        let scope = self.modules.get(&name.module);
        name.global
            || matches!(first.as_str(), "crate" | "self" | "super")
            || name.alias.as_ref() == Some(first)
            || !scope.is_some_and(|scope| scope.imported.contains_key(first))
    }

    /// Returns what a name means.
    pub(crate) fn target(&self, name: &Name, follow: Follow) -> Target {
        self.target_of(name, follow, LONGEST_WAY)
    }

    fn target_of(&self, name: &Name, follow: Follow, left: usize) -> Target {
        let external = || Target::External(name.segments.clone());
        if name.global {
            return external();
        }
        let (mut module, rest) = start(name);
        if rest.len() == name.segments.len() {
            let first = &rest[0];
            let Some(scope) = self.modules.get(&module) else {
                return external();
            };
            let mut child = module.clone();
            child.push(first.clone());
            let imports_itself = name.alias.as_ref() == Some(first);
            let known = self.modules.contains_key(&child)
                || scope.defined.contains(first)
                || (!imports_itself && scope.imported.contains_key(first))
                || self.glob_with(scope, first).is_some();
            if !known {
                return external();
            }
            // The imports of a file are always followed for names that the file uses itself.
            module.extend_from_slice(rest);
            let within = name.module.len();
            return self.resolve(&module, within, Follow::All, follow, left);
        }
        module.extend_from_slice(rest);
        self.resolve(&module, 0, follow, follow, left)
    }

    /// Goes along an absolute path, whose first segments are known to be a module.
    fn resolve(
        &self,
        path: &[String],
        known: usize,
        first: Follow,
        follow: Follow,
        left: usize,
    ) -> Target {
        // The module of `redis/` is called otherwise: `redis` is the client.
        let mut path = path.to_vec();
        if path.first().is_some_and(|first| first == "redis_service") {
            "redis".clone_into(&mut path[0]);
        }
        let path = &path[..];
        let mut length = known;
        while length < path.len() && self.modules.contains_key(&path[..=length]) {
            length += 1;
        }
        let Some(scope) = self.modules.get(&path[..length]) else {
            return Target::External(path.to_vec());
        };
        let Some(item) = path.get(length) else {
            return Target::Module(scope.path.clone());
        };
        let here = if length == known { first } else { follow };
        let follows = here == Follow::All || scope.path == "lib.rs";
        if !follows || scope.defined.contains(item) || left == 0 {
            return Target::Item(scope.path.clone());
        }
        if let Some(import) = scope.imported.get(item) {
            return self.target_of(&with(import, &path[length + 1..]), follow, left - 1);
        }
        if let Some(glob) = self.glob_with(scope, item) {
            return self.target_of(&with(glob, &path[length..]), follow, left - 1);
        }
        Target::Item(scope.path.clone())
    }

    /// Returns the glob of a module that brings a name, if one does.
    fn glob_with<'a>(&self, scope: &'a Scope, item: &str) -> Option<&'a Name> {
        scope.globs.iter().find(|glob| {
            let inner = self.module_at(glob).map(|module| &self.modules[&module]);
            inner.is_some_and(|inner| {
                inner.defined.contains(item) || inner.imported.contains_key(item)
            })
        })
    }

    /// Returns the module that a glob names, if the path begins with `crate`, `self`, `super` or a
    /// child of its module.
    fn module_at(&self, glob: &Name) -> Option<Module> {
        let (mut module, rest) = start(glob);
        module.extend_from_slice(rest);
        self.modules.contains_key(&module).then_some(module)
    }
}

/// Returns an import's path with what was named below it.
fn with(import: &Name, rest: &[String]) -> Name {
    let mut name = import.clone();
    name.segments.extend_from_slice(rest);
    name
}

fn add_scopes(modules: &mut BTreeMap<Module, Scope>, module: &Module, path: &str, items: &[Item]) {
    let mut scope = Scope {
        path: path.to_owned(),
        ..Scope::default()
    };
    for item in items {
        let ident = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(item) => match &item.ident {
                Some(ident) => ident,
                None => continue,
            },
            Item::Mod(item) => {
                if let Some((_, items)) = &item.content {
                    let mut inner = module.clone();
                    inner.push(item.ident.to_string());
                    add_scopes(modules, &inner, path, items);
                }
                continue;
            }
            _ => continue,
        };
        scope.defined.insert(ident.to_string());
    }
    modules.insert(module.clone(), scope);
}

/// Returns the module that a name starts from, and the rest of it, without `crate`, `self` and
/// `super`.
fn start(name: &Name) -> (Module, &[String]) {
    let (mut module, mut rest) = (name.module.clone(), name.segments.as_slice());
    match rest.first().map(String::as_str) {
        Some("crate") => {
            module.clear();
            rest = &rest[1..];
        }
        Some("self") => rest = &rest[1..],
        _ => {
            while rest.first().is_some_and(|first| first == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
    }
    (module, rest)
}
