//! The entries of the attribute, and of a service's parentheses.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Path, PathArguments, PathSegment, Token, token};

use super::Errors;

/// One entry of the attribute, or of a service's parentheses.
pub(crate) struct Entry {
    /// The word or path that it begins with.
    pub(crate) path: Path,
    /// What follows.
    pub(crate) value: Value,
}

/// What follows an entry's word or path.
pub(crate) enum Value {
    /// Nothing.
    Bare,
    /// Parentheses; what they contain depends on the word.
    List(Group),
    /// `= value`.
    Assigned(Box<Assigned>),
}

/// What follows `=`.
pub(crate) struct Assigned {
    /// The value as an expression.
    pub(crate) expression: Expr,
    /// The same tokens as a service, if one can be written so.
    pub(crate) call: Option<Call>,
}

/// `path` or `path(…)`: the way a service is written.
pub(crate) struct Call {
    /// The word or path.
    pub(crate) path: Path,
    /// The parentheses.
    pub(crate) arguments: Option<Group>,
}

impl Entry {
    /// Returns the word that the entry begins with, unless that is a longer path.
    pub(crate) fn word(&self) -> Option<&Ident> {
        self.path.get_ident()
    }

    /// Returns whether the entry begins with this word.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.path.is_ident(word)
    }
}

impl ToTokens for Entry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.path.to_tokens(tokens);
        match &self.value {
            Value::Bare => {}
            Value::List(group) => group.to_tokens(tokens),
            Value::Assigned(value) => {
                token::Eq(value.expression.span()).to_tokens(tokens);
                value.expression.to_tokens(tokens);
            }
        }
    }
}

impl ToTokens for Call {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.path.to_tokens(tokens);
        self.arguments.to_tokens(tokens);
    }
}

/// Reads the well-formed entries of a list; `expected` describes one.
pub(crate) fn entries(tokens: TokenStream, expected: &str, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    let list = |input: ParseStream<'_>| rest(input, expected, &mut entries, errors);
    // Mistakes are recorded where they are found.
    let _ = list.parse2(tokens);
    entries
}

/// Reads an expression, and the entries after it.
pub(crate) fn expression_and_entries(
    tokens: TokenStream,
    expected: &str,
    errors: &mut Errors,
) -> (Option<Expr>, Vec<Entry>) {
    let mut expression = None;
    let mut entries = Vec::new();
    let list = |input: ParseStream<'_>| {
        match input.parse() {
            Ok(found) => expression = Some(ungrouped(found)),
            Err(error) => {
                errors.absorb(error);
                skip_to_comma(input)?;
            }
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            errors.absorb(input.error("expected `,` after the expression"));
            skip_to_comma(input)?;
        }
        input.parse::<Option<Token![,]>>()?;
        rest(input, expected, &mut entries, errors)
    };
    // Mistakes are recorded where they are found.
    let _ = list.parse2(tokens);
    (expression, entries)
}

fn rest(
    input: ParseStream<'_>,
    expected: &str,
    entries: &mut Vec<Entry>,
    errors: &mut Errors,
) -> syn::Result<()> {
    while !input.is_empty() {
        match entry(input, expected) {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                errors.absorb(error);
                skip_to_comma(input)?;
            }
        }
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(())
}

/// One mistake must not hide those after it.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn entry(input: ParseStream<'_>, expected: &str) -> syn::Result<Entry> {
    if !input.peek(Ident::peek_any) && !input.peek(Token![::]) {
        return Err(input.error(format!("expected {expected}")));
    }
    let path = path(input)?;
    let value = if input.peek(token::Paren) {
        Value::List(input.parse()?)
    } else if input.peek(Token![=]) {
        let equals: Token![=] = input.parse()?;
        if ends(input) {
            let message = format!("expected a value after `{} =`", written(&path));
            return Err(syn::Error::new(equals.span, message));
        }
        Value::Assigned(Box::new(assigned(input)?))
    } else {
        Value::Bare
    };
    if !ends(input) {
        return Err(input.error(format!("expected `,` after `{}`", written(&path))));
    }
    Ok(Entry { path, value })
}

fn ends(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// A path as types have it, which ends before parentheses; `syn`'s own reads those as `Fn(…)`.
fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    let leading_colon = input.parse()?;
    let mut segments = Punctuated::new();
    loop {
        let ident = input.call(Ident::parse_any)?;
        let turbofish = input.peek(Token![::]) && input.peek3(Token![<]);
        let arguments = if turbofish || input.peek(Token![<]) {
            PathArguments::AngleBracketed(input.parse()?)
        } else {
            PathArguments::None
        };
        segments.push_value(PathSegment { ident, arguments });
        let Some(separator) = input.parse()? else {
            return Ok(Path {
                leading_colon,
                segments,
            });
        };
        segments.push_punct(separator);
    }
}

fn assigned(input: ParseStream<'_>) -> syn::Result<Assigned> {
    let ahead = input.fork();
    if let Ok(call) = call(&ahead) {
        input.advance_to(&ahead);
        let tokens = call.to_token_stream();
        let expression = syn::parse2(tokens.clone()).unwrap_or(Expr::Verbatim(tokens));
        return Ok(Assigned {
            expression,
            call: Some(call),
        });
    }
    Ok(Assigned {
        expression: ungrouped(input.parse()?),
        call: None,
    })
}

fn call(input: ParseStream<'_>) -> syn::Result<Call> {
    let path = path(input)?;
    let arguments = if input.peek(token::Paren) {
        Some(input.parse()?)
    } else {
        None
    };
    if !ends(input) {
        return Err(input.error("not a service"));
    }
    Ok(Call { path, arguments })
}

/// Returns tokens as they are usually written.
pub(crate) fn written(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// Reads a list of expressions, as between the parentheses of `seeds(…)`.
pub(crate) fn expressions(tokens: TokenStream) -> syn::Result<Vec<Expr>> {
    let list = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens)?;
    Ok(list.into_iter().map(ungrouped).collect())
}

/// An expression without the invisible group that a `macro_rules!` fragment comes in.
fn ungrouped(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Array(mut list) => {
            list.elems = list.elems.into_iter().map(ungrouped).collect();
            Expr::Array(list)
        }
        other => other,
    }
}
