//! The closure that a test runs: its arguments, and the call.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Expr, FnArg, Ident, ReturnType, Signature, Type};

use super::at;
use super::declared;
use super::runtime::Runtime;
use super::variants::Variant;
use crate::check::Wrapper;

/// The closure that makes the arguments, in order, and calls the function. If that is not async, the
/// call is what the closure returns.
pub(super) fn body(
    wrapper: &Wrapper,
    variant: &Variant<'_>,
    signature: &Signature,
    runtime: &Runtime,
) -> TokenStream {
    let function = &signature.ident;
    let types: Vec<&Type> = signature.inputs.iter().filter_map(argument_type).collect();
    let names: Vec<Ident> = (0..types.len())
        .map(|index| format_ident!("a{index}"))
        .collect();
    let injects = wrapper.from_case.iter().any(|from_case| !from_case);
    let context = if injects { quote!(cx) } else { quote!(_) };
    let mut values = variant.values.iter();
    let mut arguments = Vec::new();
    for (index, (name, ty)) in names.iter().zip(&types).enumerate() {
        if wrapper.from_case[index] {
            arguments.extend(values.next().map(|value| given(name, ty, value)));
        } else {
            arguments.push(injected(
                name,
                ty,
                wrapper.sources[index].as_deref(),
                runtime,
            ));
        }
    }
    let output = if signature.asyncness.is_some() {
        quote!(#function(#(#names),*).await)
    } else {
        quote!(#function(#(#names),*))
    };
    let (never, output) = match &signature.output {
        ReturnType::Default => (None, output),
        ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)) => (Some(ty), output),
        ReturnType::Type(..) => (None, explained(&output, runtime)),
    };
    let call = match (signature.asyncness, never) {
        (Some(_), None) => quote!(::core::result::Result::Ok(#output)),
        (Some(_), Some(_)) => quote! {
            #[allow(unreachable_code)]
            return ::core::result::Result::Ok(#output);
        },
        (None, None) => quote!(::core::result::Result::Ok(move || #output)),
        (None, Some(never)) => quote!(::core::result::Result::Ok(move || -> #never { #output })),
    };
    quote! {
        async |#context: #runtime::TestContext<__Declared>| {
            #(#arguments)*
            #call
        }
    }
}

/// The output of the function; if it is an error, the report of the failed test has its causes.
fn explained(output: &TokenStream, runtime: &Runtime) -> TokenStream {
    // The methods of the traits have one name; the first that fits the type is called.
    quote!({
        use #runtime::__private::{OfBox as _, OfError as _, OfOther as _};
        let output = #output;
        (&&&#runtime::__private::Output(&output)).explain();
        output
    })
}

/// An argument with the value of its case.
fn given(name: &Ident, ty: &Type, value: &Expr) -> TokenStream {
    let span = at(value);
    if matches!(ty, Type::ImplTrait(_)) {
        quote_spanned!(span=> let #name = #value;)
    } else {
        quote_spanned!(span=> let #name: #ty = #value;)
    }
}

/// An argument that is made by its type.
fn injected(name: &Ident, ty: &Type, source: Option<&str>, runtime: &Runtime) -> TokenStream {
    let span = at(ty);
    let runtime = runtime.spanned(span);
    let inject = source.map_or_else(
        || quote_spanned!(span=> inject),
        |source| {
            let marker = declared::source(source);
            quote_spanned!(span=> inject_from::<#marker, _, _>)
        },
    );
    quote_spanned!(span=> let #name: #ty = #runtime::__private::#inject(&cx).await?;)
}

fn argument_type(argument: &FnArg) -> Option<&Type> {
    match argument {
        FnArg::Typed(argument) => Some(&argument.ty),
        FnArg::Receiver(_) => None,
    }
}
