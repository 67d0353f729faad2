//! The tests that one function becomes: one for each case, and for each image of a list.

use syn::{Attribute, Expr, Meta, Token};

use crate::check::{Case, Declaration, Setting, Version};

/// One of several tests of a function.
#[derive(Clone, Default)]
pub(super) struct Variant<'a> {
    /// Name of the test; empty if it is the only one.
    pub(super) name: String,
    /// Values of the `#[case]` arguments.
    pub(super) values: &'a [Expr],
    /// The image of each service that has a list of them.
    images: Vec<(&'a str, &'a Expr)>,
}

impl<'a> Variant<'a> {
    /// Returns the image that the test uses of a service's list.
    pub(super) fn image_of(&self, service: &str) -> Option<&'a Expr> {
        let mut images = self.images.iter();
        images
            .find(|(name, _)| *name == service)
            .map(|(_, image)| *image)
    }

    fn with_case(&self, case: &'a Case) -> Self {
        Self {
            values: &case.values,
            ..self.named(&case.name)
        }
    }

    fn with_version(&self, service: &'a str, version: &'a Version) -> Self {
        let mut variant = self.named(&version.name);
        variant.images.push((service, &version.image));
        variant
    }

    fn named(&self, name: &str) -> Self {
        let separator = if self.name.is_empty() { "" } else { "_" };
        Self {
            name: format!("{}{separator}{name}", self.name),
            ..self.clone()
        }
    }
}

/// Returns the tests of a function.
pub(super) fn variants(declaration: &Declaration) -> Vec<Variant<'_>> {
    let mut variants = vec![Variant::default()];
    let cases = &declaration.wrapper.cases;
    if !cases.is_empty() {
        variants = cases
            .iter()
            .map(|case| Variant::default().with_case(case))
            .collect();
    }
    for service in &declaration.services {
        for (_, setting) in &service.options {
            if let Setting::Images(versions) = setting {
                variants = variants
                    .iter()
                    .flat_map(|variant| {
                        let with = |version| variant.with_version(&service.name, version);
                        versions.iter().map(with)
                    })
                    .collect();
            }
        }
    }
    variants
}

/// Where an attribute goes, if the function is not inside of its test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To the function, and to the module of its tests.
    Both,
    /// To the function.
    Function,
    /// To each test.
    Tests,
}

/// Returns where an attribute goes.
pub(super) fn place(attribute: &Attribute) -> Place {
    if attribute.path().is_ident("cfg") {
        Place::Both
    } else if is_of_the_function(&attribute.meta) {
        Place::Function
    } else {
        Place::Tests
    }
}

/// Whether an attribute is about code: a lint, or documentation.
fn is_of_the_function(meta: &Meta) -> bool {
    const WORDS: [&str; 6] = ["allow", "deny", "doc", "expect", "forbid", "warn"];
    if WORDS.iter().any(|word| meta.path().is_ident(word)) {
        return true;
    }
    let Meta::List(list) = meta else {
        return false;
    };
    if !list.path.is_ident("cfg_attr") {
        return false;
    }
    let parts =
        list.parse_args_with(syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated);
    parts.is_ok_and(|parts| parts.iter().skip(1).all(is_of_the_function))
}
