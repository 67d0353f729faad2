//! `image = ["postgres:15-alpine", "postgres:17-alpine"]`: a test for each image.

use syn::{Error, Expr, ExprLit, Ident, Lit, Result};

use super::value;

/// One image of a list.
pub(crate) struct Version {
    /// Its name in that of a test.
    pub(crate) name: String,
    /// The image: text, or a constant.
    pub(crate) image: Expr,
}

/// Reads a list of images; `check` reads one.
pub(super) fn check(
    list: &Expr,
    example: &str,
    check: impl Fn(&Expr) -> Result<Expr>,
) -> Result<Vec<Version>> {
    let mut versions: Vec<Version> = Vec::new();
    for element in value::list(list, example)? {
        let image = check(element)?;
        let name = match &image {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => name(&text.value()),
            Expr::Path(path) => match path.path.segments.last() {
                Some(constant) => name(&constant.ident.to_string()),
                None => String::new(),
            },
            _ => {
                let message =
                    "a test is named after this image: write it in quotes, or as a constant";
                return Err(Error::new_spanned(element, message));
            }
        };
        if versions.iter().any(|version| version.name == name) {
            let message = format!(
                "two images of the list make a test named `{name}`: keep one, or give one the name of a constant"
            );
            return Err(Error::new_spanned(element, message));
        }
        versions.push(Version { name, image });
    }
    Ok(versions)
}

/// Returns the name of an image as a word of Rust: `postgres_15_alpine`.
fn name(image: &str) -> String {
    let word: String = image
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if syn::parse_str::<Ident>(&word).is_ok() {
        word
    } else {
        format!("image_{word}")
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn the_name_of_an_image_is_a_word_of_rust() {
        assert_eq!(name("postgres:15-alpine"), "postgres_15_alpine");
        assert_eq!(name("my.host:5000/Team/pg"), "my_host_5000_team_pg");
        assert_eq!(name("17"), "image_17");
        assert_eq!(name("loop"), "image_loop");
    }
}
