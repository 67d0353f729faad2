//! The annotated function: its signature and its other attributes.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Error, FnArg, Ident, ReturnType, Signature, Type};

use super::cases::{self, Case};
use super::condition::{Condition, condition};
use super::serial::has_rewritten;
use super::services::Services;
use super::value;
use crate::parse::{Errors, Function};
use crate::site::Site;

/// What the function asks of the test that replaces it.
#[derive(Default)]
pub(crate) struct Wrapper {
    /// The feature without which it is ignored.
    pub(crate) gate: Option<Gate>,
    /// When it passes only if it panics.
    pub(crate) should_panic: Option<Condition>,
    /// What it returns.
    pub(crate) output: Output,
    /// The service that each argument is made from, if `#[from(…)]` names one.
    pub(crate) sources: Vec<Option<String>>,
    /// The lines of the table; none if the function is one test.
    pub(crate) cases: Vec<Case>,
    /// Whether each argument is `#[case]`.
    pub(crate) from_case: Vec<bool>,
}

/// A feature without which a test is ignored.
pub(crate) struct Gate {
    /// The feature.
    pub(crate) feature: String,
    /// Where the test is ignored in any case: a second `#[ignore]` would be a warning.
    pub(crate) ignored: Option<TokenStream>,
}

/// What a test function returns, as far as its tokens show.
#[derive(Clone, Copy, Default)]
pub(crate) enum Output {
    /// Nothing.
    #[default]
    Nothing,
    /// A type whose name ends in `Result`.
    Result,
    /// Any other type.
    Other,
}

/// Checks the function; its mistakes go to `errors`.
pub(crate) fn check(
    function: &Function,
    services: &Services,
    site: &Site,
    errors: &mut Errors,
) -> Wrapper {
    let other_test = function
        .attributes
        .iter()
        .find(|attribute| is_test(attribute));
    if let Some(attribute) = other_test {
        let message = if is_rstest(attribute) {
            "take this out: `#[case(…)]` lines and `#[case]` arguments work with `#[container_test]` alone, as in `#[container_test(postgres)] #[case(1)] async fn counts(#[case] n: i32, pool: PgPool)`"
        } else {
            "this makes a second test of the function: take it out, `#[container_test]` already makes one"
        };
        errors.push(attribute, message);
    }
    let signature = &function.signature;
    if has_rewritten(function) {
        let message = "`#[serial]` and `#[parallel]` drop the arguments of a function: write them below `#[container_test]`, and not on the module";
        errors.push(&signature.ident, message);
        return Wrapper::default();
    }
    qualifiers(signature, errors);
    let from_case = function.case_marks.iter().map(|marks| !marks.is_empty());
    let from_case: Vec<bool> = from_case.collect();
    for (argument, from_case) in signature.inputs.iter().zip(&from_case) {
        check_argument(argument, *from_case, errors);
    }
    let cases = cases::check(function, errors);
    let output = output(signature);
    let should_panic = condition(&function.attributes, "should_panic");
    if should_panic.is_some() && !matches!(output, Output::Nothing) {
        let message = "a test with `#[should_panic]` must return nothing: take the return type out, and use `unwrap` or `expect` instead of `?`";
        errors.push(&signature.output, message);
    }
    let sources = function
        .sources
        .iter()
        .map(|attributes| source(attributes, services, errors))
        .collect();
    let gate = site.gate.as_ref().unwrap_or_else(|problem| {
        errors.absorb(Error::new(Span::call_site(), problem));
        &None
    });
    let gate = gate.clone().and_then(|feature| {
        let ignored = match condition(&function.attributes, "ignore") {
            None => None,
            Some(Condition::If(predicate)) => Some(predicate),
            Some(Condition::Always) => return None,
        };
        Some(Gate { feature, ignored })
    });
    Wrapper {
        gate,
        should_panic,
        output,
        sources,
        cases,
        from_case,
    }
}

/// Reads the `#[from(…)]` of an argument.
fn source(attributes: &[Attribute], services: &Services, errors: &mut Errors) -> Option<String> {
    let (attribute, others) = attributes.split_first()?;
    for other in others {
        errors.push(other, "`#[from(…)]` is given twice: keep one");
    }
    let names = services.names();
    let help = if names.is_empty() {
        "take this out, the test declares no service".to_owned()
    } else {
        format!("write {}", value::from_attributes(&names))
    };
    let Ok(word) = attribute.parse_args_with(Ident::parse_any) else {
        let message = format!("`#[from(…)]` takes the name of a service: {help}");
        errors.push(attribute, message);
        return None;
    };
    let name = word.unraw().to_string();
    if !services.doubtful && !names.contains(&name.as_str()) {
        errors.push(word, format!("no service is named `{name}`: {help}"));
    }
    Some(name)
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
            "a test cannot be generic, because nothing chooses the parameters: take them out",
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

fn check_argument(argument: &FnArg, from_case: bool, errors: &mut Errors) {
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
        // The value of a case is of any type.
        _ if from_case => {}
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

/// Returns whether an attribute makes a test by itself, as `#[test]` and `#[tokio::test]` do.
/// `#[test_log::test]` leaves that to a test attribute beside it.
pub(crate) fn is_test(attribute: &Attribute) -> bool {
    let segments = &attribute.path().segments;
    let is_name = |name: &Ident| name == "test" || name == "container_test";
    let leaves_it = segments
        .first()
        .is_some_and(|first| first.ident == "test_log");
    let is_test = !leaves_it && segments.last().is_some_and(|name| is_name(&name.ident));
    is_test || is_rstest(attribute)
}

fn is_rstest(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|name| name.ident == "rstest")
}

fn output(signature: &Signature) -> Output {
    fn of(ty: &Type) -> Output {
        match ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Output::Nothing,
            Type::Group(group) => of(&group.elem),
            Type::Paren(paren) => of(&paren.elem),
            // A function that never returns has no value either.
            Type::Never(_) => Output::Nothing,
            Type::Path(path) => match path.path.segments.last() {
                Some(name) if name.ident.to_string().ends_with("Result") => Output::Result,
                _ => Output::Other,
            },
            _ => Output::Other,
        }
    }
    match &signature.output {
        ReturnType::Default => Output::Nothing,
        ReturnType::Type(_, ty) => of(ty),
    }
}
