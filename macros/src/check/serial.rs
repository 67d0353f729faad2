//! `#[serial]` and `#[parallel]` of `serial_test` above the attribute: they drop the arguments.

use proc_macro2::TokenTree;

use crate::parse::Function;

/// Returns whether one of them has rewritten the function: its body is a call of that crate now.
pub(crate) fn has_rewritten(function: &Function) -> bool {
    let mut tokens = function.body.stream().into_iter();
    tokens.any(|token| match token {
        TokenTree::Ident(name) => is_its_call(&name.to_string()),
        _ => false,
    })
}

/// `local_serial_core`, `fs_async_parallel_core_with_return` and the like.
fn is_its_call(name: &str) -> bool {
    let name = name.strip_suffix("_with_return").unwrap_or(name);
    let prefix = name
        .strip_suffix("_serial_core")
        .or_else(|| name.strip_suffix("_parallel_core"));
    prefix.is_some_and(|prefix| matches!(prefix, "local" | "local_async" | "fs" | "fs_async"))
}
