//! A service and its options.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, Ident};

use super::at;
use super::runtime::{Runtime, spanned};
use super::variants::Variant;
use crate::check::{Isolation, Kind, Migrations, Service, Setting};

/// Returns the call that declares a service of this type.
pub(super) fn service(
    service: &Service,
    variant: &Variant<'_>,
    ty: &TokenStream,
    runtime: &Runtime,
) -> TokenStream {
    let name = &service.name;
    let image = variant.image_of(name);
    let options = service
        .options
        .iter()
        .map(|(field, setting)| option(field, setting, image, runtime));
    let set = if service.options.is_empty() {
        quote!(|_| {})
    } else {
        quote!(|__service| { #(#options)* })
    };
    // A path that is no service is reported on itself.
    let span = match &service.kind {
        Kind::BuiltIn(_) => Span::call_site(),
        Kind::Custom(path) => at(path),
    };
    let ty = spanned(ty.clone(), span);
    quote_spanned!(span=> .service::<#ty>(#name, #set))
}

fn option(
    field: &Ident,
    setting: &Setting,
    image: Option<&Expr>,
    runtime: &Runtime,
) -> TokenStream {
    let service = quote_spanned!(at(field)=> __service);
    if let Setting::Container(image) = setting {
        return quote_spanned!(at(image)=> #service.#field(#image););
    }
    let value = value(setting, image, runtime);
    quote!(#service.#field = #value;)
}

fn value(setting: &Setting, image: Option<&Expr>, runtime: &Runtime) -> TokenStream {
    match setting {
        Setting::Text(value) => {
            let value = text(value, runtime);
            quote!(::core::option::Option::Some(#value))
        }
        Setting::Images(_) => {
            let image = image.map(|image| text(image, runtime));
            quote!(::core::option::Option::Some(#image))
        }
        Setting::Isolation(Isolation::Database) => quote!(#runtime::Isolation::Shared),
        Setting::Isolation(Isolation::Server) => quote!(#runtime::Isolation::Server),
        Setting::Duration(time) => {
            let time = super::duration(*time);
            quote!(::core::option::Option::Some(#time))
        }
        Setting::Texts(texts) => {
            let texts = texts.iter().map(|value| text(value, runtime));
            quote!(::std::vec![#(#texts),*])
        }
        Setting::Pairs(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| {
                quote!((::std::string::String::from(#name), ::std::string::String::from(#value)))
            });
            quote!(::std::vec![#(#pairs),*])
        }
        Setting::Flag(flag) => quote!(#flag),
        Setting::Choice(choice) => quote!(::core::option::Option::Some(#choice)),
        Setting::Count(count) => quote!(::core::option::Option::Some(#count)),
        Setting::Migrations(migrations) => self::migrations(migrations, runtime),
        Setting::Field(value) | Setting::Container(value) => quote!(#value),
    }
}

/// A constant of another type is an error on itself.
fn text(value: &Expr, runtime: &Runtime) -> TokenStream {
    let span = at(value);
    let runtime = runtime.spanned(span);
    quote_spanned!(span=> #runtime::__private::text(#value))
}

fn migrations(migrations: &Migrations, runtime: &Runtime) -> TokenStream {
    match migrations {
        Migrations::Directory(path) => {
            quote!(#runtime::Migrations::Directory(::std::string::String::from(#path)))
        }
        Migrations::Code(path) => {
            let span = at(path);
            let runtime = runtime.spanned(span);
            quote_spanned!(span=> #runtime::__private::code(&#path))
        }
        // A constant, so that an expression that is not constant is an error on itself.
        Migrations::Inline(scripts) => {
            quote!(#runtime::__private::inline(const { &[#(#scripts),*] }))
        }
        Migrations::Disabled => quote!(#runtime::Migrations::Disabled),
        Migrations::Usual => quote!(#runtime::Migrations::Usual),
    }
}
