//! The annotated function: its signature and its other attributes.

use quote::ToTokens;
use syn::{Attribute, FnArg, ReturnType, Signature, Type};

use crate::parse::{Errors, Function};
use crate::site::Site;

/// What the function's own attributes ask of the function that takes its place.
#[derive(Default)]
pub(crate) struct Wrapper {
    /// Whether it is to be ignored unless the feature for integration tests is on.
    pub(crate) gated: bool,
    /// Whether it passes only if it panics.
    pub(crate) should_panic: bool,
}

/// Checks the function; its mistakes go to `errors`.
pub(crate) fn check(function: &Function, site: &Site, errors: &mut Errors) -> Wrapper {
    let other_test = function
        .attributes
        .iter()
        .find(|attribute| is_test(attribute));
    if let Some(attribute) = other_test {
        let message = "this makes a second test of the function: take it out, `#[container_test]` already makes one";
        errors.push(attribute, message);
    }
    let signature = &function.signature;
    // The other attribute may be the one that took the `async` away.
    if signature.asyncness.is_none() && other_test.is_none() {
        errors.push(
            signature.fn_token,
            "the test must be async: write `async fn`",
        );
    }
    qualifiers(signature, errors);
    for argument in &signature.inputs {
        check_argument(argument, errors);
    }
    let has = |name: &str| {
        function
            .attributes
            .iter()
            .any(|attribute| attribute.path().is_ident(name))
    };
    let should_panic = has("should_panic");
    if should_panic && !returns_unit(signature) {
        let message = "a test with `#[should_panic]` must return nothing: take the return type out, and use `unwrap` or `expect` instead of `?`";
        errors.push(&signature.output, message);
    }
    Wrapper {
        gated: site.gated && !has("ignore"),
        should_panic,
    }
}

fn qualifiers(signature: &Signature, errors: &mut Errors) {
    if let Some(token) = &signature.constness {
        errors.push(token, "a test cannot be `const`: take this out");
    }
    if let Some(token) = &signature.unsafety {
        errors.push(
            token,
            "a test cannot be `unsafe`: take this out, and write `unsafe { … }` in its body",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi, "a test cannot be `extern`: take this out");
    }
    if !signature.generics.params.is_empty() {
        errors.push(
            &signature.generics,
            "a test cannot be generic, nothing would choose the parameters: take them out",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        errors.push(clause, "a test cannot have a `where` clause: take it out");
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(
            variadic,
            "a test's arguments are injected by their types: name them one by one",
        );
    }
}

fn check_argument(argument: &FnArg, errors: &mut Errors) {
    let argument = match argument {
        FnArg::Receiver(receiver) => {
            return errors.push(
                receiver,
                "a test is a free function: take `self` out, and the function out of its `impl`",
            );
        }
        FnArg::Typed(argument) => argument,
    };
    if let Some(attribute) = argument
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("cfg"))
    {
        errors.push(
            attribute,
            "an argument cannot be conditional: write the `#[cfg]` on the whole test",
        );
    }
    match &*argument.ty {
        Type::ImplTrait(ty) => errors.push(
            ty,
            "an argument is injected by its type: name it, instead of `impl Trait`",
        ),
        Type::Reference(ty) => {
            let value = ty.elem.to_token_stream();
            errors.push(
                ty,
                format!("an argument is injected by value: write `{value}`"),
            );
        }
        _ => {}
    }
}

/// Whether an attribute makes a test by itself, as `#[test]` and `#[tokio::test]` do.
pub(crate) fn is_test(attribute: &Attribute) -> bool {
    attribute
        .path()
        .segments
        .last()
        .is_some_and(|name| name.ident == "test" || name.ident == "container_test")
}

fn returns_unit(signature: &Signature) -> bool {
    fn is_unit(ty: &Type) -> bool {
        match ty {
            Type::Tuple(tuple) => tuple.elems.is_empty(),
            Type::Group(group) => is_unit(&group.elem),
            Type::Paren(paren) => is_unit(&paren.elem),
            // Whatever never returns, returns nothing.
            Type::Never(_) => true,
            _ => false,
        }
    }
    match &signature.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => is_unit(ty),
    }
}
