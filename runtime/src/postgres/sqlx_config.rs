//! What a project's `sqlx.toml` says about migrations.

use std::borrow::Cow;
use std::path::Path;

use sqlx_core::migrate::{MigrateError, Migrator, ResolveConfig, ResolveWith};
use toml::de::{DeTable, DeValue};

use crate::{Error, Result};

/// The section `[migrate]` of `sqlx.toml`, as far as it says how migrations are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct SqlxConfig {
    /// The table of applied migrations, if it is not sqlx's usual one.
    table_name: Option<String>,
    /// Schemas that are created first.
    create_schemas: Vec<String>,
    /// The directory of the migrations, if it is not `migrations`.
    migrations_dir: Option<String>,
    /// Characters that checksums leave out.
    ignored_chars: Vec<char>,
}

impl SqlxConfig {
    /// Reads the `sqlx.toml` of a crate; one that is not there says nothing.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("sqlx.toml");
        let step = || Error::new(format!("read {}", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(step().because(error)),
        };
        Self::parse(&text).map_err(|problem| {
            step()
                .because(problem)
                .with_help("correct it as sqlx's documentation of `sqlx.toml` says")
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
        let mut config = Self::default();
        let Some(section) = file.get_ref().get("migrate") else {
            return Ok(config);
        };
        let section = section.get_ref().as_table();
        let section = section.ok_or("`migrate` is not a section")?;
        for (key, value) in section {
            let value = value.get_ref();
            match key.get_ref().as_ref() {
                "table-name" => config.table_name = Some(word(key.get_ref(), value)?),
                "migrations-dir" => config.migrations_dir = Some(word(key.get_ref(), value)?),
                "create-schemas" => {
                    config.create_schemas = words(key.get_ref(), value)?;
                    // As a set, which is what sqlx has.
                    config.create_schemas.sort();
                    config.create_schemas.dedup();
                }
                "ignored-chars" => {
                    for word in words(key.get_ref(), value)? {
                        let mut characters = word.chars();
                        match (characters.next(), characters.next()) {
                            (Some(only), None) => config.ignored_chars.push(only),
                            _ => {
                                return Err(format!(
                                    "`{word}` in `ignored-chars` is not one character"
                                ));
                            }
                        }
                    }
                }
                // What the command-line program does.
                _ => {}
            }
        }
        Ok(config)
    }

    /// Returns the directory of the migrations, relative to the crate.
    pub(super) fn migrations_dir(&self) -> &str {
        self.migrations_dir.as_deref().unwrap_or("migrations")
    }

    /// Returns whether it says nothing about the directory of the migrations.
    pub(super) fn has_usual_directory(&self) -> bool {
        self.migrations_dir.is_none()
    }

    /// Reads the migrations of a directory.
    pub(super) async fn migrator(&self, directory: &Path) -> Result<Migrator, MigrateError> {
        let mut resolve = ResolveConfig::new();
        resolve.ignore_chars(self.ignored_chars.iter().copied());
        let mut migrator = Migrator::new(ResolveWith(directory.to_owned(), resolve)).await?;
        if let Some(name) = &self.table_name {
            migrator.dangerous_set_table_name(Cow::Owned(name.clone()));
        }
        for schema in &self.create_schemas {
            migrator.create_schema(schema.clone());
        }
        Ok(migrator)
    }
}

fn word(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    let word = value.as_str().map(str::to_owned);
    word.ok_or_else(|| format!("`{key}` is not text"))
}

fn words(key: &str, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let list = value.as_array();
    let list = list.ok_or_else(|| format!("`{key}` is not a list"))?;
    list.iter()
        .map(|value| word(key, value.get_ref()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::SqlxConfig;

    #[test]
    fn the_section_about_migrations_is_read() {
        let config = SqlxConfig::parse(
            r#"
            [common]
            database-url-var = "URL"
            [migrate]
            create-schemas = ["app", "audit", "app"]
            table-name = "app._migrations"
            migrations-dir = "db/migrations"
            ignored-chars = ["\r", "\n"]
            [migrate.defaults]
            migration-type = "reversible"
            "#,
        );
        let expected = SqlxConfig {
            table_name: Some("app._migrations".to_owned()),
            create_schemas: vec!["app".to_owned(), "audit".to_owned()],
            migrations_dir: Some("db/migrations".to_owned()),
            ignored_chars: vec!['\r', '\n'],
        };
        assert_eq!(config, Ok(expected));
        assert_eq!(SqlxConfig::parse(""), Ok(SqlxConfig::default()));
        assert_eq!(SqlxConfig::default().migrations_dir(), "migrations");
    }

    #[tokio::test]
    async fn the_migrator_of_a_directory_is_as_the_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        write(
            "sqlx.toml",
            "[migrate]\ntable-name = \"app.done\"\ncreate-schemas = [\"app\"]\nignored-chars = [\" \"]\n",
        );
        write("1_one.sql", "SELECT 1");
        write("2_two.sql", "SELECT  1");
        let config = SqlxConfig::read(directory.path()).unwrap();
        let migrator = config.migrator(directory.path()).await.unwrap();
        assert_eq!(migrator.table_name, "app.done");
        assert_eq!(migrator.create_schemas[..], ["app"]);
        assert_eq!(
            migrator.migrations[0].checksum,
            migrator.migrations[1].checksum
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for text in [
            "migrate = 1",
            "[migrate]\ntable-name = 1",
            "[migrate]\ncreate-schemas = \"app\"",
            "[migrate]\nignored-chars = [\"ab\"]",
            "[migrate",
        ] {
            assert!(SqlxConfig::parse(text).is_err(), "{text}");
        }
    }
}
