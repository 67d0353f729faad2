//! The path of the runtime crate, and where its tokens are located.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

/// The path of the runtime crate, as every use of it begins.
pub(super) struct Runtime(TokenStream);

impl Runtime {
    /// Returns this path, or else `::container_test`.
    pub(super) fn at(path: Option<&Path>) -> Self {
        Self(path.map_or_else(|| quote!(::container_test), ToTokens::to_token_stream))
    }

    /// Returns the path with another location: an error that begins in it is shown there.
    pub(super) fn spanned(&self, span: Span) -> Self {
        Self(spanned(self.0.clone(), span))
    }
}

/// Returns tokens with another location. What their names mean does not change.
pub(super) fn spanned(tokens: TokenStream, span: Span) -> TokenStream {
    let located = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            let inner = spanned(group.stream(), span);
            token = Group::new(group.delimiter(), inner).into();
        }
        token.set_span(span.resolved_at(token.span()));
        token
    });
    located.collect()
}

impl ToTokens for Runtime {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
