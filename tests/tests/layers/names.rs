//! The paths that sources name, in imports, in code and in the arguments of macros.

use syn::visit::{self, Visit};
use syn::{UseTree, Visibility};

use crate::source::{File, Module};
use crate::tokens::{flatten, paths};

/// How a path is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By a private `use`.
    Import,
    /// By a `use` with a visibility.
    ReExport,
    /// In code.
    Code,
}

/// A path as it is written.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) segments: Vec<String>,
    /// It begins with `::`.
    pub(crate) global: bool,
    /// It ends with `::*`.
    pub(crate) glob: bool,
    pub(crate) kind: Kind,
    /// The module that names it; an inline module has its own.
    pub(crate) module: Module,
    /// What a `use` in a module (not in a function) calls it.
    pub(crate) alias: Option<String>,
    pub(crate) line: usize,
}

/// Returns all paths that a file names.
pub(crate) fn of_file(file: &File) -> Vec<Name> {
    let mut collector = Collector::new(&file.module);
    collector.visit_file(&file.tree);
    collector.names
}

/// Collects the names in what it visits.
pub(crate) struct Collector {
    pub(crate) names: Vec<Name>,
    module: Module,
    in_function: bool,
}

impl Collector {
    pub(crate) fn new(module: &Module) -> Self {
        Self {
            names: Vec::new(),
            module: module.clone(),
            in_function: false,
        }
    }

    fn add(&mut self, segments: Vec<String>, global: bool, line: usize) {
        self.names.push(Name {
            segments,
            global,
            glob: false,
            kind: Kind::Code,
            module: self.module.clone(),
            alias: None,
            line,
        });
    }

    fn add_tree(&mut self, tree: &UseTree, start: &Name) {
        let mut name = start.clone();
        let mut alias = None;
        match tree {
            UseTree::Path(path) => {
                name.segments.push(path.ident.to_string());
                self.add_tree(&path.tree, &name);
                return;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, &name);
                }
                return;
            }
            UseTree::Name(leaf) => {
                name.line = leaf.ident.span().start().line;
                if leaf.ident != "self" || name.segments.is_empty() {
                    name.segments.push(leaf.ident.to_string());
                }
                alias = name.segments.last().cloned();
            }
            UseTree::Rename(leaf) => {
                name.line = leaf.ident.span().start().line;
                if leaf.ident != "self" || name.segments.is_empty() {
                    name.segments.push(leaf.ident.to_string());
                }
                if leaf.rename != "_" {
                    alias = Some(leaf.rename.to_string());
                }
            }
            UseTree::Glob(star) => {
                name.line = star.star_token.spans[0].start().line;
                name.glob = true;
            }
        }
        name.alias = alias.filter(|_| !self.in_function);
        self.names.push(name);
    }
}

impl<'ast> Visit<'ast> for Collector {
    // Attributes and visibilities name modules without using anything of them.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let outside = std::mem::replace(&mut self.in_function, true);
        visit::visit_block(self, block);
        self.in_function = outside;
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let start = Name {
            segments: Vec::new(),
            global: item.leading_colon.is_some(),
            glob: false,
            kind: match item.vis {
                Visibility::Inherited => Kind::Import,
                _ => Kind::ReExport,
            },
            module: self.module.clone(),
            alias: None,
            line: 0,
        };
        self.add_tree(&item.tree, &start);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let line = item.ident.span().start().line;
        self.add(vec![item.ident.to_string()], true, line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(last) = path.segments.last() {
            let segments = path.segments.iter();
            self.add(
                segments.map(|segment| segment.ident.to_string()).collect(),
                path.leading_colon.is_some(),
                last.ident.span().start().line,
            );
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        for (segments, line) in paths(&flatten(call.tokens.clone())) {
            self.add(segments, false, line);
        }
    }
}
