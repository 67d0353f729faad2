//! A table of cases: `#[case(…)]` lines, and the `#[case]` arguments that they give values to.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Error, Expr, FnArg, Meta, Pat, Result};

use super::value;
use crate::parse::{self, Errors, Function};

/// One line of the table.
pub(crate) struct Case {
    /// The name of its test.
    pub(crate) name: String,
    /// The values, one for each `#[case]` argument.
    pub(crate) values: Vec<Expr>,
}

/// Returns the cases of a function; mistakes go to `errors`.
pub(crate) fn check(function: &Function, errors: &mut Errors) -> Vec<Case> {
    let arguments = arguments(function, errors);
    let lines = &function.cases;
    let width = lines.len().to_string().len();
    let mut cases = Vec::new();
    for (number, line) in (1..).zip(lines) {
        match case(line, &arguments) {
            Ok((name, values)) => {
                let mut full = format!("case_{number:0width$}");
                if let Some(name) = name {
                    full = format!("{full}_{name}");
                }
                cases.push(Case { name: full, values });
            }
            Err(error) => errors.absorb(error),
        }
    }
    cases
}

/// Returns the names of the `#[case]` arguments.
fn arguments(function: &Function, errors: &mut Errors) -> Vec<String> {
    let mut names = Vec::new();
    let inputs = function.signature.inputs.iter();
    for ((input, marks), sources) in inputs.zip(&function.case_marks).zip(&function.sources) {
        let Some((mark, others)) = marks.split_first() else {
            continue;
        };
        names.push(name(input));
        for other in others {
            errors.push(other, "`#[case]` is given twice: keep one");
        }
        if let Some(source) = sources.first() {
            let message = "an argument comes from a case or from a service: keep one of the two";
            errors.push(source, message);
        }
        if !matches!(mark.meta, Meta::Path(_)) || mark.path().get_ident().is_none() {
            let message =
                "the values stand above the function: write `#[case]` here, and `#[case(…)]` there";
            errors.push(mark, message);
        } else if function.cases.is_empty() {
            let message = "no case gives this argument a value: write lines such as `#[case(1)]` above the function";
            errors.push(mark, message);
        }
    }
    names
}

fn name(argument: &FnArg) -> String {
    match argument {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(name) => name.ident.to_string(),
            pattern => pattern.to_token_stream().to_string(),
        },
        FnArg::Receiver(_) => "self".to_owned(),
    }
}

/// Reads one line: its name, and its values.
fn case(line: &Attribute, arguments: &[String]) -> Result<(Option<String>, Vec<Expr>)> {
    let name = match line.path().segments.iter().collect::<Vec<_>>()[..] {
        [_] => None,
        [_, name] => Some(name.ident.unraw().to_string()),
        _ => {
            let message = "a case has one name: write `#[case::name(…)]`";
            return Err(Error::new_spanned(line.path(), message));
        }
    };
    let named: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if named.is_empty() {
        let message = "no argument takes the values of this case: write `#[case]` before one";
        return Err(Error::new_spanned(line, message));
    }
    let values = match &line.meta {
        Meta::List(list) => parse::expressions(list.tokens.clone())?,
        Meta::Path(_) => Vec::new(),
        Meta::NameValue(assigned) => {
            let value = assigned.value.to_token_stream();
            let message =
                format!("the values of a case stand in parentheses: write `#[case({value})]`");
            return Err(Error::new_spanned(line, message));
        }
    };
    if let Some(more) = values.get(named.len()) {
        let message = format!(
            "no argument takes this value: the function has {} `#[case]` {}, {}",
            named.len(),
            if named.len() == 1 {
                "argument"
            } else {
                "arguments"
            },
            value::enumeration(&named)
        );
        return Err(Error::new_spanned(more, message));
    }
    if values.len() < named.len() {
        let (missing, all) = (&named[values.len()..], value::enumeration(&named));
        let missing = value::enumeration(missing);
        let message = if named.len() == 1 {
            format!("this case lacks a value for {missing}: write `#[case(…)]`")
        } else {
            format!("this case lacks a value for {missing}: write one for each of {all}")
        };
        return Err(Error::new_spanned(line, message));
    }
    Ok((name, values))
}
