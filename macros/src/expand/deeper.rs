//! Tokens that move one module deeper: what `self` and `super` lead to stays the same.

use proc_macro2::{Group, Ident, Spacing, TokenStream, TokenTree};
use quote::quote_spanned;

/// Returns the tokens as they are written in a module of the module that they are from.
pub(super) fn deeper(tokens: TokenStream) -> TokenStream {
    let mut moved = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    // Whether `::` came before, which the first part of a path does not have.
    let mut colons = 0;
    while let Some(token) = tokens.next() {
        let begins = colons != 2;
        colons = match &token {
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons + 1,
            _ => 0,
        };
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), deeper(group.stream()));
                inner.set_span(group.span());
                moved.extend([TokenTree::from(inner)]);
            }
            TokenTree::Ident(word) if begins && word == "super" => {
                moved.extend(quote_spanned!(word.span()=> super::super));
            }
            TokenTree::Ident(word)
                if begins && word == "self" && tokens.peek().is_some_and(is_joined_colon) =>
            {
                moved.extend([TokenTree::from(Ident::new("super", word.span()))]);
            }
            other => moved.extend([other]),
        }
    }
    moved
}

fn is_joined_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint)
}

#[cfg(test)]
mod tests {
    use super::deeper;

    #[test]
    fn paths_lead_to_the_same_as_before() {
        for (before, after) in [
            ("super::A", "super::super::A"),
            (
                "super::super::A(self::B)",
                "super::super::super::A(super::B)",
            ),
            ("crate::A, ::b::C, d::E", "crate::A,::b::C,d::E"),
            (
                "|self_: T| vec![super::A]",
                "|self_:T|vec![super::super::A]",
            ),
            ("self.a", "self.a"),
            ("a: super::A", "a:super::super::A"),
        ] {
            let moved = deeper(before.parse().unwrap());
            assert_eq!(moved.to_string().replace(' ', ""), after.replace(' ', ""));
        }
    }
}
