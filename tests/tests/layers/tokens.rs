//! What the arguments of macros name: they are tokens, not syntax.

use proc_macro2::{TokenStream, TokenTree};

/// A token, with groups flattened.
#[derive(Clone, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Mark(char),
    Open,
    /// The end of a group, or a literal: nothing continues across it.
    Other,
}

/// Returns the tokens and their lines.
pub(crate) fn flatten(stream: TokenStream) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    add(stream, &mut tokens);
    tokens
}

fn add(stream: TokenStream, tokens: &mut Vec<(Token, usize)>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Ident(word) => tokens.push((Token::Word(word.to_string()), line)),
            TokenTree::Punct(mark) => tokens.push((Token::Mark(mark.as_char()), line)),
            TokenTree::Literal(_) => tokens.push((Token::Other, line)),
            TokenTree::Group(group) => {
                tokens.push((Token::Open, line));
                add(group.stream(), tokens);
                tokens.push((Token::Other, line));
            }
        }
    }
}

/// Returns the paths among tokens, and their lines. Fields and methods are none; nor are paths that
/// begin with `::`, which name other crates by a name that no module of ours can have.
pub(crate) fn paths(tokens: &[(Token, usize)]) -> Vec<(Vec<String>, usize)> {
    let mark = |at: usize, mark: char| {
        let token = tokens.get(at);
        token.is_some_and(|(token, _)| *token == Token::Mark(mark))
    };
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (Token::Word(first), line) = &tokens[at] else {
            at += 1;
            continue;
        };
        let after_dot = at > 0 && mark(at - 1, '.') && !(at > 1 && mark(at - 2, '.'));
        let after_colons = at > 1 && mark(at - 1, ':') && mark(at - 2, ':');
        let mut path = vec![first.clone()];
        at += 1;
        while mark(at, ':') && mark(at + 1, ':') {
            let Some((Token::Word(word), _)) = tokens.get(at + 2) else {
                break;
            };
            path.push(word.clone());
            at += 3;
        }
        if !after_dot && !after_colons {
            paths.push((path, *line));
        }
    }
    paths
}
