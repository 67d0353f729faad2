//! `migrations = …`.

use proc_macro2::Span;
use syn::{Error, Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Result};

use super::kinds::Kind;
use super::service::Service;
use super::setting::Setting;
use super::value;
use crate::parse::Entry;
use crate::site::Site;

/// Where the schema comes from.
pub(crate) enum Migrations {
    /// A directory, relative to the crate.
    Directory(LitStr),
    /// Rust code, by its path.
    Code(ExprPath),
    /// SQL scripts: text, `include_str!(…)`, or any other constant.
    Inline(Vec<Expr>),
    /// There is none.
    Disabled,
    /// Nothing said, and there is the directory that is used then.
    Usual,
}

/// The directory that is used if nothing is said.
const USUAL: &str = "migrations";

const EXAMPLE: &str = "migrations = \"migrations\"";

/// Reads the entry, and checks that the directory exists.
pub(crate) fn check(entry: &Entry, site: &Site) -> Result<Migrations> {
    let value = value::assigned(entry, EXAMPLE)?;
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(_), ..
        }) => directory(&value::literal(value, EXAMPLE)?, site),
        Expr::Lit(ExprLit {
            lit: Lit::Bool(flag),
            ..
        }) if !flag.value => Ok(Migrations::Disabled),
        Expr::Lit(ExprLit {
            lit: Lit::Bool(_), ..
        }) => Err(Error::new_spanned(
            value,
            "leave this out: the directory `migrations` beside `Cargo.toml` is the default; `migrations = false` switches it off",
        )),
        Expr::Array(list) if list.elems.is_empty() => Err(Error::new_spanned(
            value,
            "this list is empty: write SQL, or `migrations = false` for none",
        )),
        Expr::Array(list) => list
            .elems
            .iter()
            .map(script)
            .collect::<Result<_>>()
            .map(Migrations::Inline),
        Expr::Path(path) => Ok(Migrations::Code(path.clone())),
        Expr::Macro(_) => {
            let message = "SQL goes into a list: put this into brackets, `migrations = [ … ]`";
            Err(Error::new_spanned(value, message))
        }
        _ => {
            let message = "expected a directory (`migrations = \"migrations\"`), a list of SQL scripts (`migrations = [\"CREATE TABLE …\"]`), the path of a migrator or a function (`migrations = MIGRATOR`) or `false`";
            Err(Error::new_spanned(value, message))
        }
    }
}

/// Has a service without a word about migrations expect the usual directory if it is there now: if
/// it is missing when the test runs, that is a mistake.
pub(crate) fn expect(service: &mut Service, site: &Site) {
    let Kind::BuiltIn(kind) = &service.kind else {
        return;
    };
    let field = Ident::new("migrations", Span::call_site());
    let is_given = service.options.iter().any(|(option, _)| *option == field);
    if kind.rule(&field).is_some() && !is_given && site.manifest_dir.join(USUAL).is_dir() {
        let usual = Setting::Migrations(Migrations::Usual);
        service.options.push((field, usual));
    }
}

/// Reads `migrator = "path"`, as `#[sqlx::test]` has it.
pub(crate) fn migrator(entry: &Entry) -> Result<Migrations> {
    const EXAMPLE: &str = "migrator = \"my_crate::MIGRATOR\"";
    let value = value::assigned(entry, EXAMPLE)?;
    if let Expr::Path(path) = value {
        return Ok(Migrations::Code(path.clone()));
    }
    let text = value::literal(value, EXAMPLE)?;
    let path = text.parse().map_err(|_| {
        let message = format!("expected the path of a migrator: write `{EXAMPLE}`");
        Error::new_spanned(value, message)
    })?;
    Ok(Migrations::Code(path))
}

/// One element of the list.
fn script(element: &Expr) -> Result<Expr> {
    if let Expr::Lit(_) = element {
        value::literal(element, "migrations = [\"CREATE TABLE …\"]")?;
    }
    Ok(element.clone())
}

fn directory(written: &LitStr, site: &Site) -> Result<Migrations> {
    let text = written.value();
    let path = site.manifest_dir.join(&text);
    if path.is_dir() {
        return Ok(Migrations::Directory(written.clone()));
    }
    let message = if path.is_file() {
        format!(
            "`{}` is a file: write the name of a directory, or `migrations = [include_str!(…)]` for one file",
            path.display()
        )
    } else if looks_like_sql(&text) {
        "text names a directory, and SQL goes into a list: put it into brackets, `migrations = [\"…\"]`".to_owned()
    } else {
        format!(
            "there is no directory `{}`: create it, or correct its path, which is relative to `Cargo.toml`",
            path.display()
        )
    };
    Err(Error::new_spanned(written, message))
}

fn looks_like_sql(text: &str) -> bool {
    text.contains(char::is_whitespace)
        && (text.contains(['(', ';']) || text.to_uppercase().starts_with("CREATE "))
}
