//! Tokens to syntax: what is written, before asking what it means.

mod entries;
mod function;

use proc_macro2::TokenStream;
use quote::ToTokens;

pub(crate) use self::entries::{
    Call, Entry, Value, entries, expression_and_entries, expressions, written,
};
pub(crate) use self::function::{Function, function};

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

    /// Returns whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns one `compile_error!` for each.
    pub(crate) fn compile_errors(&self) -> impl Iterator<Item = TokenStream> {
        self.0
            .iter()
            .flat_map(|errors| errors.clone().into_iter())
            .map(|error| error.to_compile_error())
    }
}
