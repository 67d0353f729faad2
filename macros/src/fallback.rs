//! What replaces a test with mistakes: the errors, and an item of the same name.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Signature;

use crate::check::{has_rewritten, is_test};
use crate::parse::{Errors, Function};

/// Returns the errors, and an item that is no function.
pub(crate) fn item(errors: &Errors, item: &TokenStream) -> TokenStream {
    let errors = errors.compile_errors();
    quote!(#(#errors)* #item)
}

/// Returns the errors, and a test of the same name. The compiler still checks its body, so editors
/// still list the test, and nothing that the body uses is reported as unused.
pub(crate) fn function(errors: &Errors, function: &Function) -> TokenStream {
    let Function {
        attributes,
        visibility,
        signature,
        body,
        ..
    } = function;
    let errors = errors.compile_errors();
    let attributes = attributes.iter().filter(|attribute| !is_test(attribute));
    let name = &signature.ident;
    // Without its arguments, the body makes no sense to the compiler.
    let original = original(signature).filter(|_| !has_rewritten(function));
    let Some(original) = original else {
        return quote!(#(#errors)* #[allow(dead_code)] #visibility fn #name() {});
    };
    quote! {
        #(#errors)*
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() {
            #[allow(dead_code)]
            #original #body
        }
    }
}

/// The signature, if a function inside of another one can have it; a method's cannot.
fn original(signature: &Signature) -> Option<Signature> {
    let mut signature = signature.clone();
    if signature.receiver().is_some() || signature.variadic.is_some() {
        return None;
    }
    signature.constness = None;
    signature.unsafety = None;
    signature.abi = None;
    Some(signature)
}
