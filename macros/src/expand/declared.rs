//! The types that say which services a test, or one of its arguments, can be given.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::Ident;

use super::runtime::Runtime;
use crate::check::{Declaration, Kind, Seed, Service, enumeration, from_attributes};

/// The services of one kind.
pub(super) struct Offer<'a> {
    kind: &'a Kind,
    /// The type, or the alias of it.
    pub(super) ty: TokenStream,
    names: Vec<&'a str>,
    /// The trait that no type implements, if an argument must say which service it means.
    ambiguity: Option<Ident>,
}

impl Offer<'_> {
    /// Returns whether the service is among them.
    pub(super) fn includes(&self, service: &Service) -> bool {
        self.kind.is(&service.kind)
    }
}

/// Returns the marker of the whole test.
pub(super) fn declared_marker() -> Ident {
    Ident::new("__Declared", Span::call_site())
}

/// Returns the marker that stands for the test, but prefers one service.
pub(super) fn source(service: &str) -> Ident {
    Ident::new(&format!("__From_{service}"), Span::call_site())
}

/// Returns the markers that are used, and what they implement.
pub(super) fn declared(
    declaration: &Declaration,
    offers: &[Offer<'_>],
    runtime: &Runtime,
) -> TokenStream {
    let aliases = offers.iter().filter_map(alias);
    let ambiguities = offers
        .iter()
        .filter_map(|offer| ambiguity(offer, declaration));
    let declared = marker(&declared_marker(), None, offers, runtime);
    let sources = used(declaration).map(|service| {
        let marker = marker(&source(service), Some(service), offers, runtime);
        quote!(#[allow(non_camel_case_types)] #marker)
    });
    quote!(#(#aliases)* #(#ambiguities)* #declared #(#sources)*)
}

/// Returns the declared services, by their kinds.
pub(super) fn offers<'a>(declaration: &'a Declaration, runtime: &Runtime) -> Vec<Offer<'a>> {
    let mut offers: Vec<Offer<'_>> = Vec::new();
    for service in &declaration.services {
        if let Some(offer) = offers.iter_mut().find(|offer| offer.includes(service)) {
            offer.names.push(&service.name);
            continue;
        }
        let ty = match &service.kind {
            Kind::BuiltIn(kind) => {
                let name = format_ident!("{}", kind.type_name);
                quote!(#runtime::#name)
            }
            Kind::Custom(_) => format_ident!("__Service{}", offers.len()).into_token_stream(),
        };
        offers.push(Offer {
            kind: &service.kind,
            ty,
            names: vec![&service.name],
            ambiguity: None,
        });
    }
    let several = offers.iter_mut().enumerate();
    for (index, offer) in several.filter(|(_, offer)| offer.names.len() > 1) {
        offer.ambiguity = Some(match offer.kind {
            Kind::BuiltIn(kind) => format_ident!("__Several{}", kind.type_name),
            Kind::Custom(_) => format_ident!("__Several{index}"),
        });
    }
    offers
}

/// The user's path is resolved once, so that a mistake in it is one error.
fn alias(offer: &Offer<'_>) -> Option<TokenStream> {
    let Kind::Custom(path) = offer.kind else {
        return None;
    };
    let name = &offer.ty;
    Some(quote!(type #name = #path;))
}

/// The names of the services that an argument or a seed function is given.
fn used(declaration: &Declaration) -> impl Iterator<Item = &str> {
    let services = declaration.services.iter();
    services.filter_map(|service| {
        let name = service.name.as_str();
        let mut sources = declaration.wrapper.sources.iter().flatten();
        let seeds = || {
            let mut seeds = service.seeds.iter();
            seeds.any(|seed| matches!(seed, Seed::Function { .. }))
        };
        (sources.any(|source| source == name) || seeds()).then_some(name)
    })
}

/// A bound on this trait is what the compiler reports where several services fit.
fn ambiguity(offer: &Offer<'_>, declaration: &Declaration) -> Option<TokenStream> {
    let name = offer.ambiguity.as_ref()?;
    let message = format!(
        "this needs one of {}, and does not say which",
        enumeration(&offer.names)
    );
    let label = match offer.names.len() {
        2 => "two services fit".to_owned(),
        count => format!("{count} services fit"),
    };
    let attributes = from_attributes(&offer.names);
    let note = format!("write {attributes} before the argument");
    let has_functions = declaration
        .seeds
        .iter()
        .any(|seed| matches!(seed, Seed::Function { .. }));
    let seeds = has_functions.then(|| {
        let note = "write a seed function inside of the service that it is for";
        quote!(, note = #note)
    });
    Some(quote! {
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note #seeds)]
        trait #name {}
    })
}

fn marker(
    marker: &Ident,
    preferred: Option<&str>,
    offers: &[Offer<'_>],
    runtime: &Runtime,
) -> TokenStream {
    let is_open = |offer: &Offer<'_>| {
        offer.ambiguity.is_some() && !preferred.is_some_and(|name| offer.names.contains(&name))
    };
    let definition = if offers.iter().any(is_open) {
        // The bound on the parameter is never satisfied, and is reported only where it is needed.
        quote!(struct #marker<__Which = ()>(::core::marker::PhantomData<fn() -> __Which>);)
    } else {
        quote!(struct #marker;)
    };
    let implementations = offers.iter().map(|offer| {
        let ty = &offer.ty;
        if is_open(offer) {
            let ambiguity = &offer.ambiguity;
            return quote! {
                impl<__Which: #ambiguity> #runtime::Declares<#ty> for #marker<__Which> {
                    const NAME: &'static str = "";
                }
            };
        }
        let preferred = preferred.filter(|name| offer.names.contains(name));
        let name = preferred.or(offer.names.first().copied());
        quote! {
            impl #runtime::Declares<#ty> for #marker {
                const NAME: &'static str = #name;
            }
        }
    });
    quote!(#definition #(#implementations)*)
}
