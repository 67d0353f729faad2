//! Meaning to tokens: the test that calls the runtime.

mod body;
mod declared;
mod deeper;
mod runtime;
mod service;
mod variants;

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, LitStr, ReturnType, Signature};

use self::body::body;
use self::declared::Offer;
use self::deeper::deeper;
use self::runtime::Runtime;
use self::variants::{Place, Variant};
use crate::check::{Condition, Declaration, Flavor, Gate, Output, Seed};
use crate::parse::{Function, written};

/// Returns the test that replaces the annotated function, or the module of its tests.
pub(crate) fn expand(declaration: &Declaration, function: &Function) -> TokenStream {
    let Function {
        attributes,
        visibility,
        signature,
        body,
        ..
    } = function;
    let name = &signature.ident;
    let variants = variants::variants(declaration);
    if let [variant] = &variants[..]
        && variant.name.is_empty()
    {
        let (output, run) = test(declaration, variant, signature, name);
        let ignore = declaration.wrapper.gate.as_ref().map(ignore);
        return quote! {
            #(#attributes)*
            #[::core::prelude::v1::test]
            #ignore
            #visibility fn #name() #output {
                // The attribute requires the arguments to be taken by value.
                #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, clippy::unused_async)]
                #signature #body
                #run
            }
        };
    }
    let placed = |places: &'static [Place]| {
        let attributes = attributes.iter();
        attributes.filter(|attribute| places.contains(&variants::place(attribute)))
    };
    let of_function = placed(&[Place::Both, Place::Function]);
    let of_module = placed(&[Place::Both]);
    let tests = variants.iter().map(|variant| {
        let test_name = Ident::new(&variant.name, name.span().resolved_at(Span::call_site()));
        let (output, run) = test(declaration, variant, signature, &test_name);
        let ignore = declaration.wrapper.gate.as_ref().map(ignore);
        let attributes = placed(&[Place::Tests]);
        deeper(quote! {
            #(#attributes)*
            #[::core::prelude::v1::test]
            #ignore
            fn #test_name() #output {
                #run
            }
        })
    });
    quote! {
        #(#of_function)*
        #[cfg(test)]
        #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, clippy::unused_async)]
        #visibility #signature #body

        #(#of_module)*
        #[cfg(test)]
        #[allow(clippy::module_inception)]
        mod #name {
            // What the function and its attributes name is named as beside it.
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;

            #(#tests)*
        }
    }
}

/// The return type of a test, and what is in it beside the function.
fn test(
    declaration: &Declaration,
    variant: &Variant<'_>,
    signature: &Signature,
    name: &Ident,
) -> (Option<TokenStream>, TokenStream) {
    let runtime = Runtime::at(declaration.crate_path.as_ref());
    let offers = declared::offers(declaration, &runtime);
    let declared = declared::declared(declaration, &offers, &runtime);
    let body = body(&declaration.wrapper, variant, signature, &runtime);
    let run = run(
        declaration,
        variant,
        &offers,
        signature,
        name,
        &body,
        &runtime,
    );
    // Other attributes may look at the return type, and the test harness accepts `#[should_panic]`
    // only without one.
    let (output, run) = match declaration.wrapper.output {
        Output::Nothing => (None, quote!(let _ = #run;)),
        Output::Result => (Some(signature.output.to_token_stream()), run),
        Output::Other => (Some(quote!(-> ::std::process::ExitCode)), run),
    };
    (output, quote!(#declared #run))
}

/// The attribute that ignores the test without the feature of its gate.
fn ignore(gate: &Gate) -> TokenStream {
    let feature = &gate.feature;
    let reason = format!("needs `--features {feature}`");
    let condition = match &gate.ignored {
        None => quote!(not(feature = #feature)),
        Some(ignored) => quote!(all(not(feature = #feature), not(#ignored))),
    };
    quote!(#[cfg_attr(#condition, ignore = #reason)])
}

/// The one call chain: the declaration, and the body.
fn run(
    declaration: &Declaration,
    variant: &Variant<'_>,
    offers: &[Offer<'_>],
    signature: &Signature,
    name: &Ident,
    body: &TokenStream,
    runtime: &Runtime,
) -> TokenStream {
    let name = format!("::{}", name.unraw());
    let services = &declaration.services;
    let seeds = services.iter().flat_map(|service| &service.seeds);
    let seeds = seeds.chain(&declaration.seeds).map(seed);
    let services = services.iter().filter_map(|service| {
        let offer = offers.iter().find(|offer| offer.includes(service))?;
        Some(service::service(service, variant, &offer.ty, runtime))
    });
    let timeout = declaration.timeout.map(|timeout| {
        let timeout = duration(timeout);
        quote!(.timeout(#timeout))
    });
    let flavor = declaration.flavor.as_ref().map(|flavor| {
        let flavor = self::flavor(flavor);
        quote!(.flavor(#runtime::__private::Flavor::#flavor))
    });
    let should_panic = declaration.wrapper.should_panic.as_ref().map(|condition| {
        let whether = match condition {
            Condition::Always => quote!(true),
            Condition::If(predicate) => quote!(::core::cfg!(#predicate)),
        };
        quote!(.should_panic(#whether))
    });
    // A return type that a test cannot have is reported where it is written.
    let span = match &signature.output {
        ReturnType::Default => Span::call_site(),
        ReturnType::Type(_, ty) => at(ty),
    };
    let is_result = matches!(declaration.wrapper.output, Output::Result);
    let method = match (signature.asyncness, is_result) {
        (Some(_), false) => quote_spanned!(span=> run),
        (Some(_), true) => quote_spanned!(span=> run_result),
        (None, false) => quote_spanned!(span=> run_plain),
        (None, true) => quote_spanned!(span=> run_plain_result),
    };
    let run = quote_spanned!(span=> .#method(#body));
    quote! {
        #runtime::__private::Test::<__Declared>::new(
            ::core::concat!(::core::module_path!(), #name),
            ::core::env!("CARGO_MANIFEST_DIR"),
        )
        #(#services)*
        #(#seeds)*
        #timeout
        #flavor
        #should_panic
        #run
    }
}

fn seed(seed: &Seed) -> TokenStream {
    match seed {
        Seed::File {
            service,
            path,
            span,
        } => {
            let path = LitStr::new(path, *span);
            quote!(.seed_file(#service, #path))
        }
        Seed::Function { service, path } => {
            let name = written(path);
            let marker = match service {
                Some(service) => declared::source(service),
                None => declared::declared_marker(),
            };
            quote_spanned!(path.span()=> .seed_function::<#marker, _, _, _>(#name, #path))
        }
    }
}

fn duration(time: Duration) -> TokenStream {
    let seconds = time.as_secs();
    let milliseconds = u64::from(time.subsec_millis());
    if milliseconds == 0 {
        return quote!(::core::time::Duration::from_secs(#seconds));
    }
    let milliseconds = seconds * 1_000 + milliseconds;
    quote!(::core::time::Duration::from_millis(#milliseconds))
}

fn flavor(flavor: &Flavor) -> TokenStream {
    match flavor {
        Flavor::CurrentThread => quote!(CurrentThread),
        Flavor::MultiThread(None) => quote!(MultiThread {
            worker_threads: ::core::option::Option::None
        }),
        Flavor::MultiThread(Some(count)) => {
            quote!(MultiThread { worker_threads: ::core::option::Option::Some(#count) })
        }
    }
}

/// Returns the location of the user's tokens, for tokens of the expansion: errors are shown there,
/// and names still resolve as in the expansion, even if a macro of the user's wrote the test.
fn at(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}
