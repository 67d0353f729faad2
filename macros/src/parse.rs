//! Tokens to syntax: what is written, before asking what it means.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Ident, Signature, Token, Visibility, token};

/// Every mistake found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a mistake, on the tokens at fault.
    pub(crate) fn push(&mut self, at: impl ToTokens, message: impl std::fmt::Display) {
        self.absorb(syn::Error::new_spanned(at, message));
    }

    /// Adds an error.
    pub(crate) fn absorb(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each.
    pub(crate) fn compile_errors(&self) -> impl Iterator<Item = TokenStream> {
        self.0
            .iter()
            .flat_map(|errors| errors.clone().into_iter())
            .map(|error| error.to_compile_error())
    }
}

/// One entry of the attribute, or of a service's parentheses.
pub(crate) struct Entry {
    /// The word it begins with.
    pub(crate) name: Ident,
    /// What follows the word.
    pub(crate) value: Value,
}

/// What follows an entry's name.
pub(crate) enum Value {
    /// Nothing.
    Bare,
    /// Parentheses; what they contain depends on the name.
    List(Group),
    /// `= value`.
    Assigned(Box<Expr>),
}

impl ToTokens for Entry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.name.to_tokens(tokens);
        match &self.value {
            Value::Bare => {}
            Value::List(group) => group.to_tokens(tokens),
            Value::Assigned(value) => {
                token::Eq(value_span(value)).to_tokens(tokens);
                value.to_tokens(tokens);
            }
        }
    }
}

fn value_span(value: &Expr) -> Span {
    use syn::spanned::Spanned;
    value.span()
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected the name of a service or an option, as in `#[container_test(postgres, timeout = \"30s\")]`"));
        }
        let name = input.call(Ident::parse_any)?;
        let value = if input.peek(token::Paren) {
            Value::List(input.parse()?)
        } else if input.peek(Token![=]) {
            let equals: Token![=] = input.parse()?;
            if input.is_empty() || input.peek(Token![,]) {
                return Err(syn::Error::new(
                    equals.span,
                    format!("expected a value after `{name} =`"),
                ));
            }
            Value::Assigned(Box::new(ungrouped(input.parse()?)))
        } else {
            Value::Bare
        };
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error(format!("expected `,` after `{name}`")));
        }
        Ok(Self { name, value })
    }
}

/// The entries between the attribute's, or a service's, parentheses, as far as they are well-formed.
pub(crate) fn entries(tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    let list = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match input.parse() {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    errors.absorb(error);
                    skip_to_comma(input)?;
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    // Mistakes are recorded as they are met.
    let _ = list.parse2(tokens);
    entries
}

/// One mistake must not hide those after it.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// A list of expressions, as between the parentheses of `seeds(…)`.
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

/// The annotated function. Its body stays tokens: the compiler is the one to judge it.
pub(crate) struct Function {
    /// Outer attributes, without this one.
    pub(crate) attributes: Vec<Attribute>,
    /// `pub` and the like.
    pub(crate) visibility: Visibility,
    /// From `async` to the return type.
    pub(crate) signature: Signature,
    /// The braces.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let start = input.span();
        let not_a_function = |_| {
            syn::Error::new(
                start,
                "`#[container_test]` goes on an `async fn` with a body",
            )
        };
        let signature = input.parse().map_err(not_a_function)?;
        let body: Group = input.parse().map_err(not_a_function)?;
        if body.delimiter() != Delimiter::Brace {
            return Err(not_a_function(input.error("")));
        }
        Ok(Self {
            attributes,
            visibility,
            signature,
            body,
        })
    }
}

/// The item that the attribute is written on.
pub(crate) fn function(item: TokenStream) -> syn::Result<Function> {
    syn::parse2(item)
}
