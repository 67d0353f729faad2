//! The annotated function.

use proc_macro2::{Delimiter, Group, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, Signature, Visibility};

/// The annotated function. Its body stays tokens: only the compiler checks it.
pub(crate) struct Function {
    /// Outer attributes, without this one.
    pub(crate) attributes: Vec<Attribute>,
    /// `pub` and the like.
    pub(crate) visibility: Visibility,
    /// The `#[case(…)]` lines.
    pub(crate) cases: Vec<Attribute>,
    /// From the qualifiers to the return type, without `#[from(…)]` and `#[case]`.
    pub(crate) signature: Signature,
    /// The `#[from(…)]` of each argument.
    pub(crate) sources: Vec<Vec<Attribute>>,
    /// The `#[case]` of each argument.
    pub(crate) case_marks: Vec<Vec<Attribute>>,
    /// The braces.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let start = input.span();
        let not_a_function =
            |_| syn::Error::new(start, "`#[container_test]` goes on a function with a body");
        let mut signature: Signature = input.parse().map_err(not_a_function)?;
        let body: Group = input.parse().map_err(not_a_function)?;
        if body.delimiter() != Delimiter::Brace {
            return Err(not_a_function(input.error("")));
        }
        // Another attribute has added it, for a function that is no test yet. `#[tokio::test]` adds it
        // as well, but to a function that it has made a test of.
        if signature.asyncness.is_some() || !signature.inputs.is_empty() {
            attributes.retain(|attribute| !is_test_of_the_prelude(attribute));
        }
        let cases = attributes.extract_if(.., |attribute| is_case(attribute));
        let cases = cases.collect();
        let mut take = |taken: fn(&Attribute) -> bool| {
            let inputs = signature.inputs.iter_mut();
            inputs.map(|input| take(input, taken)).collect()
        };
        let sources = take(|attribute| attribute.path().is_ident("from"));
        let case_marks = take(is_case);
        Ok(Self {
            attributes,
            visibility,
            cases,
            signature,
            sources,
            case_marks,
            body,
        })
    }
}

/// Whether an attribute is `#[::core::prelude::v1::test]`, as macros write `#[test]`.
fn is_test_of_the_prelude(attribute: &Attribute) -> bool {
    let names: Vec<String> = attribute
        .path()
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    matches!(&names[..], [krate, prelude, _, test]
        if (krate == "core" || krate == "std") && prelude == "prelude" && test == "test")
}

/// Whether an attribute is `#[case]`, `#[case(…)]` or `#[case::name(…)]`.
fn is_case(attribute: &Attribute) -> bool {
    let first = attribute.path().segments.first();
    first.is_some_and(|first| first.ident == "case")
}

/// Takes attributes off an argument: the compiler does not know them.
fn take(argument: &mut FnArg, taken: fn(&Attribute) -> bool) -> Vec<Attribute> {
    let attributes = match argument {
        FnArg::Receiver(receiver) => &mut receiver.attrs,
        FnArg::Typed(argument) => &mut argument.attrs,
    };
    attributes
        .extract_if(.., |attribute| taken(attribute))
        .collect()
}

/// Reads the item that the attribute is written on.
pub(crate) fn function(item: TokenStream) -> syn::Result<Function> {
    syn::parse2(item)
}
