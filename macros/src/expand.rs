//! Meaning to tokens: the test that calls the runtime.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, Ident, LitStr, ReturnType, Signature, Type};

use crate::check::{Declaration, Flavor, Isolation, Migrations, Seed, Service, Setting};
use crate::feature::FEATURE;
use crate::parse::Function;

/// The test that takes the annotated function's place.
pub(crate) fn expand(declaration: &Declaration, function: &Function) -> TokenStream {
    let Function {
        attributes,
        visibility,
        signature,
        body,
    } = function;
    let name = &signature.ident;
    let ignore = declaration.wrapper.gated.then(|| {
        let reason = format!("needs `--features {FEATURE}`");
        quote!(#[cfg_attr(not(feature = #FEATURE), ignore = #reason)])
    });
    let services = declared(&declaration.services);
    let run = run(declaration, signature);
    let (output, run) = if declaration.wrapper.should_panic {
        // The test harness takes such a test without a return type only. A body that panicked has
        // passed its panic on before there is a code.
        (None, quote!(let _ = #run;))
    } else {
        (Some(quote!(-> ::std::process::ExitCode)), run)
    };
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #ignore
        #visibility fn #name() #output {
            // This attribute is why the function is async, and takes its arguments by value.
            #[allow(clippy::needless_pass_by_value, clippy::unused_async)]
            #signature #body
            #services
            #run
        }
    }
}

/// The type that says which services there are.
fn declared(services: &[Service]) -> TokenStream {
    let markers = services
        .iter()
        .map(|service| format_ident!("{}", service.kind.marker));
    quote! {
        struct __Declared;
        #(impl ::container_test::Declares<::container_test::#markers> for __Declared {})*
    }
}

/// The one call.
fn run(declaration: &Declaration, signature: &Signature) -> TokenStream {
    let test = test(declaration, signature);
    let seeds = seeds(&declaration.seeds);
    let body = body(signature);
    // A return type that a test cannot have is reported where it is written.
    let span = match &signature.output {
        ReturnType::Default => Span::call_site(),
        ReturnType::Type(_, ty) => at(ty),
    };
    quote_spanned!(span=> ::container_test::__private::run(#test, #seeds, #body))
}

/// The declaration, as far as it differs from one that says nothing.
fn test(declaration: &Declaration, signature: &Signature) -> TokenStream {
    let name = format!("::{}", signature.ident.unraw());
    let new = quote! {
        ::container_test::__private::Test::new(
            ::core::concat!(::core::module_path!(), #name),
            ::core::env!("CARGO_MANIFEST_DIR"),
        )
    };
    let mut fields: Vec<TokenStream> = declaration.services.iter().map(service).collect();
    fields.extend(declaration.migrations.as_ref().map(|migrations| {
        let migrations = self::migrations(migrations);
        quote!(migrations: ::container_test::__private::Migrations::#migrations)
    }));
    fields.extend(declaration.timeout.map(|timeout| {
        let timeout = duration(timeout);
        quote!(timeout: ::core::option::Option::Some(#timeout))
    }));
    fields.extend(declaration.flavor.as_ref().map(|flavor| {
        let flavor = self::flavor(flavor);
        quote!(flavor: ::container_test::__private::Flavor::#flavor)
    }));
    fields.extend(
        declaration
            .wrapper
            .should_panic
            .then(|| quote!(should_panic: true)),
    );
    if fields.is_empty() {
        return new;
    }
    quote! {
        ::container_test::__private::Test { #(#fields,)* ..#new }
    }
}

fn service(service: &Service) -> TokenStream {
    let field = format_ident!("{}", service.kind.name);
    let ty = format_ident!("{}", service.kind.options_type);
    let ty = quote!(::container_test::__private::#ty);
    if service.options.is_empty() {
        return quote!(#field: ::core::option::Option::Some(#ty::DEFAULT));
    }
    let options = service.options.iter().map(|(name, setting)| {
        let setting = self::setting(setting);
        quote!(#name: #setting)
    });
    // Nothing is left to take from the default: clippy finds that worth a warning.
    let base = (!service.is_complete()).then(|| quote!(..#ty::DEFAULT));
    quote!(#field: ::core::option::Option::Some(#ty { #(#options,)* #base }))
}

fn setting(setting: &Setting) -> TokenStream {
    match setting {
        Setting::Text(text) => quote!(::core::option::Option::Some(#text)),
        Setting::Isolation(Isolation::Database) => {
            quote!(::container_test::__private::Isolation::Shared)
        }
        Setting::Isolation(Isolation::Server) => {
            quote!(::container_test::__private::Isolation::Server)
        }
        Setting::Duration(time) => {
            let time = duration(*time);
            quote!(::core::option::Option::Some(#time))
        }
        Setting::Texts(texts) => quote!(&[#(#texts),*]),
        Setting::Pairs(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| quote!((#name, #value)));
            quote!(&[#(#pairs),*])
        }
        Setting::Flag(flag) => quote!(#flag),
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

fn migrations(migrations: &Migrations) -> TokenStream {
    match migrations {
        Migrations::Directory(path) => quote!(Directory(#path)),
        // A constant, so that anything that is none is an error on itself.
        Migrations::Inline(scripts) => quote!(Inline(const { &[#(#scripts),*] })),
        Migrations::Disabled => quote!(Disabled),
    }
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

fn seeds(seeds: &[Seed]) -> TokenStream {
    if seeds.is_empty() {
        return quote!(::std::vec::Vec::new());
    }
    let seeds = seeds.iter().map(|seed| match seed {
        Seed::File(path, span) => {
            let path = LitStr::new(path, *span);
            quote!(::container_test::__private::Seed::file(#path))
        }
        Seed::Function(function) => {
            let name = quote!(#function).to_string().replace(' ', "");
            quote_spanned!(function.span()=> ::container_test::__private::Seed::function(#name, #function))
        }
    });
    quote!(::std::vec![#(#seeds),*])
}

/// The closure that makes the arguments, in order, and calls the function.
fn body(signature: &Signature) -> TokenStream {
    let function = &signature.ident;
    let types: Vec<&Type> = signature.inputs.iter().filter_map(argument_type).collect();
    let names: Vec<Ident> = (0..types.len())
        .map(|index| format_ident!("a{index}"))
        .collect();
    let context = if types.is_empty() {
        quote!(_)
    } else {
        quote!(cx)
    };
    let arguments = names.iter().zip(&types).map(|(name, ty)| {
        quote_spanned!(at(*ty)=> let #name: #ty = ::container_test::__private::inject(&cx).await?;)
    });
    let call = quote!(::core::result::Result::Ok(#function(#(#names),*).await));
    let call = match &signature.output {
        ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)) => {
            quote!(#[allow(unreachable_code)] return #call;)
        }
        _ => call,
    };
    quote! {
        async |#context: ::container_test::TestContext<__Declared>| {
            #(#arguments)*
            #call
        }
    }
}

fn argument_type(argument: &FnArg) -> Option<&Type> {
    match argument {
        FnArg::Typed(argument) => Some(&argument.ty),
        FnArg::Receiver(_) => None,
    }
}

/// The place of the user's tokens, for tokens of ours: errors are shown there, and names still
/// mean what they mean here, even if a macro of the user's has put the test together.
fn at(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}
