//! The package whose services are started, as its `Cargo.toml` describes it.

use std::fs;
use std::path::{Path, PathBuf};

use container_test::{Error, Migrations, Postgres, Redis, Result};
use toml::{Table, Value};

/// Where `Cargo.toml` says what the services are.
const SETTINGS: &str = "[package.metadata.container-test]";

/// A package.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) directory: PathBuf,
    settings: Table,
}

/// A service with its options.
#[derive(Debug)]
pub(crate) enum Declared {
    Postgres(Postgres),
    Redis(Redis),
}

impl Package {
    /// Reads the package of a `Cargo.toml`, or the one that the current directory is in.
    pub(crate) fn find(manifest: Option<&Path>) -> Result<Self> {
        let manifest = match manifest {
            Some(manifest) => std::path::absolute(manifest),
            None => std::env::current_dir().map(|directory| {
                let mut above = directory.ancestors().map(|above| above.join("Cargo.toml"));
                above
                    .find(|manifest| manifest.is_file())
                    .unwrap_or_else(|| directory.join("Cargo.toml"))
            }),
        };
        let manifest = manifest.map_err(Error::failed_to("find Cargo.toml"))?;
        let failed = || Error::new(format!("read {}", manifest.display()));
        let text = fs::read_to_string(&manifest).map_err(|error| {
            failed().because(error).with_help(
                "run this in a package's directory, or name its Cargo.toml with --manifest-path",
            )
        })?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let cause = error.message().to_owned();
            failed().because(cause)
        })?;
        let package = table.get("package").ok_or_else(|| {
            failed()
                .because("it has no package, but a workspace")
                .with_help("name the Cargo.toml of a member with --manifest-path")
        })?;
        let settings = package
            .get("metadata")
            .and_then(|all| all.get("container-test"));
        let package = Self {
            directory: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
            settings: settings
                .and_then(Value::as_table)
                .cloned()
                .unwrap_or_default(),
        };
        package.has_only(
            &package.settings,
            &["gate", "postgres", "redis", "services"],
        )?;
        Ok(package)
    }

    /// Refuses keys that mean nothing.
    fn has_only(&self, table: &Table, keys: &[&str]) -> Result<()> {
        match table.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(self
                .failed()
                .because(format!("`{unknown}` in {SETTINGS} means nothing"))
                .with_help(format!("the keys there are `{}`", keys.join("`, `")))),
        }
    }

    fn failed(&self) -> Error {
        let manifest = self.directory.join("Cargo.toml");
        Error::new(format!("read {}", manifest.display()))
    }

    /// Returns the services of these names; without any those of the manifest, else PostgreSQL.
    pub(crate) fn services(&self, names: &[String]) -> Result<Vec<Declared>> {
        let names = if names.is_empty() {
            self.texts(&self.settings, "services")?
                .unwrap_or_else(|| vec!["postgres".to_owned()])
        } else {
            names.to_vec()
        };
        names.iter().map(|name| self.service(name)).collect()
    }

    fn service(&self, name: &str) -> Result<Declared> {
        let options = self.settings.get(name).and_then(Value::as_table);
        let options = options.cloned().unwrap_or_default();
        match name {
            "postgres" => {
                let keys = ["args", "extensions", "image", "migrations", "user"];
                self.has_only(&options, &keys)?;
                let mut postgres = Postgres::default();
                postgres.image = self.text(&options, "image")?;
                postgres.user = self.text(&options, "user")?;
                postgres.extensions = self.texts(&options, "extensions")?.unwrap_or_default();
                postgres.args = self.texts(&options, "args")?.unwrap_or_default();
                if let Some(directory) = self.text(&options, "migrations")? {
                    if !self.directory.join(&directory).is_dir() {
                        return Err(self.failed().because(format!(
                            "`migrations` in {SETTINGS} names no directory: {directory}"
                        )));
                    }
                    postgres.migrations = Migrations::Directory(directory);
                }
                Ok(Declared::Postgres(postgres))
            }
            "redis" => {
                self.has_only(&options, &["args", "image"])?;
                let mut redis = Redis::default();
                redis.image = self.text(&options, "image")?;
                redis.args = self.texts(&options, "args")?.unwrap_or_default();
                Ok(Declared::Redis(redis))
            }
            other => Err(Error::new(format!("start the service {other}"))
                .because("there are `postgres` and `redis`")
                .with_help(format!("correct `--services`, or `services` in {SETTINGS}"))),
        }
    }

    fn text(&self, table: &Table, key: &str) -> Result<Option<String>> {
        match table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    fn texts(&self, table: &Table, key: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = table.get(key) else {
            return Ok(None);
        };
        let texts = value.as_array().and_then(|list| {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>()
        });
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(key, "a list of texts")),
        }
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        self.failed()
            .because(format!("`{key}` in {SETTINGS} is not {expected}"))
    }

    /// Returns a seed's service and its path in the package, as a test finds it.
    pub(crate) fn seed(&self, seed: &str) -> Result<(&'static str, PathBuf)> {
        let service_of = |path: &Path| match path.extension().and_then(|end| end.to_str()) {
            Some("sql") => Some("postgres"),
            Some("redis") => Some("redis"),
            _ => None,
        };
        let written = PathBuf::from(seed);
        let candidates = match service_of(&written) {
            Some(_) => vec![written],
            None => [".sql", ".redis"]
                .map(|end| PathBuf::from(format!("fixtures/{seed}{end}")))
                .to_vec(),
        };
        let found = candidates
            .iter()
            .find(|path| self.directory.join(path).is_file());
        let found = found.and_then(|path| Some((service_of(path)?, path.clone())));
        found.ok_or_else(|| {
            let tried: Vec<String> = candidates
                .iter()
                .map(|path| self.directory.join(path).display().to_string())
                .collect();
            Error::new(format!("find the seed {seed}"))
                .because(format!("there is no {}", tried.join(" and no ")))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn package(metadata: &str) -> (TempDir, Result<Package>) {
        let directory = tempfile::tempdir().unwrap();
        let manifest = directory.path().join("Cargo.toml");
        fs::write(&manifest, format!("[package]\nname = \"shop\"\n{metadata}")).unwrap();
        let package = Package::find(Some(&manifest));
        (directory, package)
    }

    fn names(services: &[Declared]) -> Vec<&'static str> {
        let name = |service: &Declared| match service {
            Declared::Postgres(_) => "postgres",
            Declared::Redis(_) => "redis",
        };
        services.iter().map(name).collect()
    }

    #[test]
    fn services_come_from_the_command_line_then_from_the_manifest() {
        let metadata = "[package.metadata.container-test]\nservices = [\"redis\"]";
        let (_directory, package) = package(metadata);
        let package = package.unwrap();
        assert_eq!(names(&package.services(&[]).unwrap()), ["redis"]);
        let asked = ["postgres".to_owned(), "redis".to_owned()];
        assert_eq!(
            names(&package.services(&asked).unwrap()),
            ["postgres", "redis"]
        );
        let (_directory, bare) = self::package("");
        assert_eq!(names(&bare.unwrap().services(&[]).unwrap()), ["postgres"]);
    }

    #[test]
    fn options_come_from_the_manifest() {
        let (directory, package) = package(
            "[package.metadata.container-test]\n\
             postgres = { image = \"postgres:15-alpine\", migrations = \"db\", extensions = [\"citext\"] }",
        );
        let package = package.unwrap();
        let report = package.services(&[]).unwrap_err().report();
        assert!(report.contains("names no directory: db"), "{report}");
        fs::create_dir(directory.path().join("db")).unwrap();
        let services = package.services(&[]).unwrap();
        let [Declared::Postgres(postgres)] = &services[..] else {
            panic!("{services:?}");
        };
        assert_eq!(postgres.image.as_deref(), Some("postgres:15-alpine"));
        assert_eq!(postgres.migrations, Migrations::Directory("db".to_owned()));
        assert_eq!(postgres.extensions, ["citext"]);
    }

    #[test]
    fn mistakes_name_the_place_and_what_to_do() {
        for (metadata, cause) in [
            (
                "service = []",
                "`service` in [package.metadata.container-test] means nothing",
            ),
            (
                "redis = { images = 1 }",
                "`images` in [package.metadata.container-test] means nothing",
            ),
        ] {
            let (_directory, package) =
                package(&format!("[package.metadata.container-test]\n{metadata}"));
            let redis = ["redis".to_owned()];
            let services = package.and_then(|package| package.services(&redis));
            let report = services.unwrap_err().report();
            assert!(report.contains(cause), "{report}");
        }
        let (_directory, package) =
            package("[package.metadata.container-test]\nservices = \"redis\"");
        let package = package.unwrap();
        let report = package.services(&[]).unwrap_err().report();
        let cause = "`services` in [package.metadata.container-test] is not a list of texts";
        assert!(report.contains(cause), "{report}");
        let report = package
            .services(&["mysql".to_owned()])
            .unwrap_err()
            .report();
        assert!(
            report.contains("there are `postgres` and `redis`"),
            "{report}"
        );
        let report = package.seed("users").unwrap_err().report();
        assert!(report.contains("fixtures/users.redis"), "{report}");
    }

    #[test]
    fn seeds_are_found_as_a_test_finds_them() {
        let (directory, package) = package("");
        let package = package.unwrap();
        fs::create_dir(directory.path().join("fixtures")).unwrap();
        fs::write(directory.path().join("fixtures/users.sql"), "").unwrap();
        fs::write(directory.path().join("sessions.redis"), "").unwrap();
        let found = |seed| package.seed(seed).unwrap();
        assert_eq!(found("users"), ("postgres", "fixtures/users.sql".into()));
        assert_eq!(found("sessions.redis"), ("redis", "sessions.redis".into()));
    }
}
