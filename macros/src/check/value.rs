//! The values of options: texts, lists, numbers, durations; and the names in messages.

use std::time::Duration;

use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

use crate::parse::{Entry, Value, written};

/// Returns the value after `name =`, or an error that says how to write one.
pub(crate) fn assigned<'a>(entry: &'a Entry, example: &str) -> Result<&'a Expr> {
    match &entry.value {
        Value::Assigned(value) => Ok(&value.expression),
        Value::Bare | Value::List(_) => Err(Error::new_spanned(
            entry,
            format!(
                "`{}` takes a value: write `{example}`",
                written(&entry.path)
            ),
        )),
    }
}

/// Returns a text literal.
pub(crate) fn literal(value: &Expr, example: &str) -> Result<LitStr> {
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = value
    else {
        return Err(Error::new_spanned(
            value,
            format!("expected text in quotes: write `{example}`"),
        ));
    };
    printable(text)?;
    Ok(text.clone())
}

/// Returns a text literal, a constant or a macro such as `concat!(…)`.
pub(crate) fn text(value: &Expr, example: &str) -> Result<Expr> {
    match value {
        Expr::Macro(_) => {}
        Expr::Path(path) if is_constant(&path.path) => {}
        _ => drop(literal(value, example)?),
    }
    Ok(value.clone())
}

/// Whether a path looks like that of a constant; a word in lower case is text without quotes.
fn is_constant(path: &syn::Path) -> bool {
    path.segments
        .last()
        .is_some_and(|name| !name.ident.to_string().contains(char::is_lowercase))
}

/// Servers and operating systems end a text at its first NUL.
fn printable(text: &LitStr) -> Result<()> {
    let value = text.value();
    if value.trim().is_empty() {
        return Err(Error::new_spanned(
            text,
            "this is empty: write a value, or leave the option out",
        ));
    }
    if value.contains('\0') {
        return Err(Error::new_spanned(
            text,
            "this contains a NUL character, which no server accepts: take it out",
        ));
    }
    Ok(())
}

/// Returns the elements of `[…]`.
pub(crate) fn list<'a>(value: &'a Expr, example: &str) -> Result<impl Iterator<Item = &'a Expr>> {
    match value {
        Expr::Array(list) if list.elems.is_empty() => Err(Error::new_spanned(
            value,
            "this list is empty: write an element, or leave the option out",
        )),
        Expr::Array(list) => Ok(list.elems.iter()),
        _ => Err(Error::new_spanned(
            value,
            format!("expected a list: write `{example}`"),
        )),
    }
}

/// Reads `true` or `false`.
pub(crate) fn boolean(value: &Expr, example: &str) -> Result<bool> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(flag),
            ..
        }) => Ok(flag.value),
        _ => Err(Error::new_spanned(
            value,
            format!("expected `true` or `false`: write `{example}`"),
        )),
    }
}

/// Reads a whole number above zero.
pub(crate) fn count(value: &Expr, example: &str) -> Result<usize> {
    let Expr::Lit(ExprLit {
        lit: Lit::Int(number),
        ..
    }) = value
    else {
        return Err(Error::new_spanned(
            value,
            format!("expected a whole number: write `{example}`"),
        ));
    };
    match number.base10_parse() {
        Ok(0) => Err(Error::new_spanned(
            value,
            format!("this must be above zero: write `{example}`"),
        )),
        Ok(count) => Ok(count),
        Err(error) => Err(Error::new_spanned(
            value,
            format!("{error}: write `{example}`"),
        )),
    }
}

/// Reads a duration such as `"30s"`.
pub(crate) fn duration(value: &Expr, name: &str) -> Result<Duration> {
    if let Expr::Lit(ExprLit {
        lit: Lit::Int(number),
        ..
    }) = value
    {
        let unit = if number.suffix().is_empty() {
            "s"
        } else {
            number.suffix()
        };
        let message = format!(
            "a duration is text with a unit: write `{name} = \"{}{unit}\"`",
            number.base10_digits()
        );
        return Err(Error::new_spanned(value, message));
    }
    let text = literal(value, &format!("{name} = \"30s\""))?;
    parse_duration(&text.value()).map_err(|problem| Error::new_spanned(value, problem))
}

fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_in_ms = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "" if !number.is_empty() => {
            return Err(format!(
                "this duration lacks its unit: write `\"{number}s\"`"
            ));
        }
        _ => {
            return Err(format!(
                "`{text}` is not a duration: write a whole number and `ms`, `s` or `m`, as in `\"30s\"`"
            ));
        }
    };
    if number.is_empty() {
        return Err(format!(
            "this duration lacks its number: write `\"30{}\"`",
            unit.trim()
        ));
    }
    let milliseconds = number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(unit_in_ms));
    match milliseconds {
        Some(0) => Err(
            "a duration of zero leaves no time: write a longer one, or leave the option out"
                .to_owned(),
        ),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err(format!(
            "`{text}` is too long: write a shorter duration, or leave the option out"
        )),
    }
}

/// Returns the name that a misspelt one is closest to, if any is close.
pub(crate) fn nearest<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong.to_lowercase(), name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// Returns what a message about an unknown name ends with: the closest name, or all of them.
pub(crate) fn suggestion(wrong: &str, names: &[&str]) -> String {
    match nearest(wrong, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", enumeration(names)),
    }
}

/// Returns `a`, `b` and `c`.
pub(crate) fn enumeration(names: &[&str]) -> String {
    joined(names, "and")
}

/// Returns `a`, `b` or `c`.
pub(crate) fn alternatives(names: &[&str]) -> String {
    joined(names, "or")
}

/// Returns the `#[from(…)]` of each name, as alternatives.
pub(crate) fn from_attributes(names: &[&str]) -> String {
    let attributes: Vec<String> = names
        .iter()
        .map(|name| format!("#[from({name})]"))
        .collect();
    alternatives(&attributes.iter().map(String::as_str).collect::<Vec<_>>())
}

fn joined(names: &[&str], last_separator: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => {
            format!("{} {last_separator} {last}", rest.join(", "))
        }
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{alternatives, enumeration, nearest, parse_duration};

    #[test]
    fn reads_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30 s", 30_000),
            ("2m", 120_000),
            ("2min", 120_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_a_duration_of_zero() {
        for text in ["0s", "0ms", "000m"] {
            assert!(parse_duration(text).unwrap_err().contains("zero"), "{text}");
        }
    }

    #[test]
    fn refuses_a_number_without_unit_and_a_unit_without_number() {
        assert!(
            parse_duration("30")
                .unwrap_err()
                .contains("write `\"30s\"`")
        );
        assert!(
            parse_duration("ms")
                .unwrap_err()
                .contains("write `\"30ms\"`")
        );
    }

    #[test]
    fn refuses_fractions_signs_and_unknown_units() {
        for text in ["1.5s", "-1s", "+1s", "1h", "1m 30s", "s30", "30S"] {
            assert!(
                parse_duration(text)
                    .unwrap_err()
                    .contains("is not a duration"),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_a_duration_that_overflows() {
        for text in ["18446744073709551615s", "99999999999999999999ms"] {
            assert!(
                parse_duration(text).unwrap_err().contains("too long"),
                "{text}"
            );
        }
    }

    #[test]
    fn finds_the_closest_name() {
        let names = ["postgres", "redis", "migrations", "timeout", "flavor"];
        for (wrong, right) in [
            ("postgress", "postgres"),
            ("postgresql", "postgres"),
            ("Redis", "redis"),
            ("migration", "migrations"),
            ("flavour", "flavor"),
            ("timout", "timeout"),
        ] {
            assert_eq!(nearest(wrong, names), Some(right), "{wrong}");
        }
    }

    #[test]
    fn finds_nothing_if_no_name_is_close() {
        assert_eq!(nearest("kafka", ["postgres", "redis", "migrations"]), None);
    }

    #[test]
    fn joins_names_as_a_sentence_does() {
        assert_eq!(enumeration(&["a"]), "`a`");
        assert_eq!(enumeration(&["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(alternatives(&["a", "b"]), "`a` or `b`");
    }
}
