//! Attributes that a function has, or has under a condition: `#[cfg_attr(unix, ignore)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// When a function has an attribute.
pub(crate) enum Condition {
    /// In every build.
    Always,
    /// Where this predicate of `cfg` holds.
    If(TokenStream),
}

/// Returns when one of the attributes is `#[name]`, if any can be.
pub(crate) fn condition(attributes: &[Attribute], name: &str) -> Option<Condition> {
    let found = attributes
        .iter()
        .filter_map(|attribute| predicates(&attribute.meta, name));
    let mut any = Vec::new();
    for predicates in found {
        match &predicates[..] {
            [] => return Some(Condition::Always),
            [predicate] => any.push(predicate.to_token_stream()),
            several => any.push(quote!(all(#(#several),*))),
        }
    }
    match &any[..] {
        [] => None,
        [only] => Some(Condition::If(only.clone())),
        several => Some(Condition::If(quote!(any(#(#several),*)))),
    }
}

/// The predicates under all of which an attribute is `#[name]`.
fn predicates(meta: &Meta, name: &str) -> Option<Vec<Meta>> {
    if meta.path().is_ident(name) {
        return Some(Vec::new());
    }
    let Meta::List(list) = meta else {
        return None;
    };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let mut parts = parts.ok()?.into_iter();
    let predicate = parts.next()?;
    let inner = parts.find_map(|meta| predicates(&meta, name))?;
    Some([vec![predicate], inner].concat())
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_str};

    use super::{Condition, condition};

    fn of(attributes: &str) -> String {
        let function: ItemFn = parse_str(&format!("{attributes} fn f() {{}}")).unwrap();
        match condition(&function.attrs, "ignore") {
            None => "never".to_owned(),
            Some(Condition::Always) => "always".to_owned(),
            Some(Condition::If(predicate)) => predicate.to_string().replace(' ', ""),
        }
    }

    #[test]
    fn finds_an_attribute_in_each_of_its_forms() {
        for attributes in ["#[ignore]", "#[ignore = \"slow\"]", "#[cfg(a)] #[ignore]"] {
            assert_eq!(of(attributes), "always", "{attributes}");
        }
        for attributes in ["", "#[should_panic]", "#[cfg_attr(a, should_panic)]"] {
            assert_eq!(of(attributes), "never", "{attributes}");
        }
    }

    #[test]
    fn returns_the_conditions_of_an_attribute() {
        assert_eq!(of("#[cfg_attr(unix, ignore)]"), "unix");
        assert_eq!(
            of("#[cfg_attr(not(a), should_panic, ignore = \"x\")]"),
            "not(a)"
        );
        assert_eq!(of("#[cfg_attr(a, cfg_attr(b, ignore))]"), "all(a,b)");
        assert_eq!(
            of("#[cfg_attr(a, ignore)] #[cfg_attr(b, ignore)]"),
            "any(a,b)"
        );
        assert_eq!(of("#[cfg_attr(a, ignore)] #[ignore]"), "always");
    }
}
