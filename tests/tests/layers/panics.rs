//! Only `run.rs` panics; everything else returns errors.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use crate::resolve::Crate;
use crate::source::Violation;
use crate::tokens::{Token, flatten};

/// The file that turns errors into failed tests.
const RUN: &str = "run.rs";

const MACROS: &[&str] = &[
    "panic",
    "unreachable",
    "todo",
    "unimplemented",
    "assert",
    "assert_eq",
    "assert_ne",
];

const METHODS: &[&str] = &["unwrap", "expect", "unwrap_err", "expect_err"];

/// Finds calls that panic.
pub(crate) fn panics(sources: &Crate) -> Vec<Violation> {
    let mut violations = BTreeSet::new();
    for file in sources.files.iter().filter(|file| file.path != RUN) {
        let mut calls = Calls::default();
        calls.visit_file(&file.tree);
        violations.extend(calls.found.into_iter().map(|(call, line)| Violation {
            path: file.path.clone(),
            line,
            message: format!("`{call}` panics outside of {RUN}: return an `Error`"),
        }));
    }
    violations.into_iter().collect()
}

#[derive(Default)]
struct Calls {
    found: Vec<(String, usize)>,
}

impl<'ast> Visit<'ast> for Calls {
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(last) = call.path.segments.last() {
            self.add_macro(&last.ident.to_string(), last.ident.span().start().line);
        }
        let tokens = flatten(call.tokens.clone());
        for window in tokens.windows(3) {
            match window {
                [
                    (Token::Mark('.'), _),
                    (Token::Word(name), line),
                    (Token::Open, _),
                ] => {
                    self.add_method(name, *line);
                }
                [
                    (Token::Word(name), line),
                    (Token::Mark('!'), _),
                    (Token::Open, _),
                ] => {
                    self.add_macro(name, *line);
                }
                _ => {}
            }
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let line = call.method.span().start().line;
        self.add_method(&call.method.to_string(), line);
        visit::visit_expr_method_call(self, call);
    }

    // `Option::unwrap`, as an argument.
    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let segments = &path.path.segments;
        if let Some(last) = segments.last().filter(|_| segments.len() > 1) {
            self.add_method(&last.ident.to_string(), last.ident.span().start().line);
        }
        visit::visit_expr_path(self, path);
    }
}

impl Calls {
    fn add_macro(&mut self, name: &str, line: usize) {
        if MACROS.contains(&name) {
            self.found.push((format!("{name}!"), line));
        }
    }

    fn add_method(&mut self, name: &str, line: usize) {
        if METHODS.contains(&name) {
            self.found.push((format!("{name}()"), line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::panics;
    use crate::{assert_found, found};

    #[test]
    fn only_the_run_panics() {
        let body = "fn f() {
            panic!(\"no\");
            if a { unreachable!() } else { std::todo!() }
            a.unwrap();
            b
                .expect(\"c\");
            d.map(Option::unwrap);
            format!(\"{}\", a.unwrap());
            tokio::select! { _ = a => panic!() }
        }";
        let files = [("run.rs", body), ("once.rs", body)];
        let lines = found(panics, &files);
        assert_found(
            &lines,
            &[
                "once.rs:2: `panic!` panics outside of run.rs: return an `Error`",
                "once.rs:3: `todo!`",
                "once.rs:3: `unreachable!`",
                "once.rs:4: `unwrap()`",
                "once.rs:6: `expect()`",
                "once.rs:7: `unwrap()`",
                "once.rs:8: `unwrap()`",
                "once.rs:9: `panic!`",
            ],
        );
    }

    #[test]
    fn comments_strings_and_calls_that_cannot_panic_do_not_count() {
        let files = [(
            "once.rs",
            "// a.unwrap() or panic!()
            fn f() { a.unwrap_or(1); b.unwrap_or_default();
                say(\"panic!()\"); debug!(\".unwrap()\"); }",
        )];
        assert_found(&found(panics, &files), &[]);
    }
}
