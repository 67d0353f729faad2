//! The attribute of container-test.
use proc_macro::TokenStream;

mod check;
mod expand;
mod fallback;
mod feature;
mod parse;
mod site;

use parse::Errors;
use site::Site;

/// x
#[proc_macro_attribute]
pub fn container_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let site = Site::of_this_call();
    transform(arguments.into(), item.into(), &site).into()
}

/// The whole attribute, on tokens that need no compiler.
fn transform(
    arguments: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
    site: &Site,
) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let entries = parse::entries(arguments, &mut errors);
    let function = match parse::function(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.absorb(error);
            return fallback::item(&errors, &item);
        }
    };
    let declaration = check::check(&entries, &function, site, &mut errors);
    if errors.is_empty() {
        expand::expand(&declaration, &function)
    } else {
        fallback::function(&errors, &function)
    }
}
