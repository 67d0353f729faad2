//! container-test fits beside what a project has: Cargo finds a set of versions for both.

#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::path::Path;
use std::process::Command;

/// All features but `sea-orm-migration-2`: what sea-orm-migration 2 needs of sea-orm brings one version
/// of libsqlite3-sys. Its feature is for projects that have sea-orm-migration 2 themselves.
const ALL: &str = r#"version = "0.1", features = [
    "bb8-postgres", "bb8-redis", "deadpool-postgres", "deadpool-redis", "diesel", "diesel-async",
    "diesel-migrations", "fred", "redis-0_32", "refinery", "sea-orm-1", "sea-orm-2", "sea-orm-migration-1",
    "sqlx-0_8", "testcontainers-tls", "tls", "tokio-postgres", "tracing",
]"#;
const DEFAULT: &str = r#"version = "0.1""#;
/// Without testcontainers, of which a graph takes one version.
const PROGRAM: &str =
    r#"version = "0.1", default-features = false, features = ["postgres", "redis", "tls"]"#;

/// Returns the lock file of a project with these dependencies, or what Cargo says.
fn lock_file(ours: &str, theirs: &str) -> Result<String, String> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime");
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir(project.path().join("src")).unwrap();
    std::fs::write(project.path().join("src/lib.rs"), "").unwrap();
    let runtime = runtime.display();
    let manifest = format!(
        "[package]\nname = \"theirs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\n{theirs}\n\n\
         [dev-dependencies]\ncontainer-test = {{ path = '{runtime}', {ours} }}\n"
    );
    std::fs::write(project.path().join("Cargo.toml"), manifest).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["generate-lockfile", "--quiet"])
        .current_dir(project.path())
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(std::fs::read_to_string(project.path().join("Cargo.lock")).unwrap())
}

fn resolves(ours: &str, theirs: &str) -> String {
    lock_file(ours, theirs).unwrap_or_else(|error| panic!("{theirs}: {error}"))
}

/// Returns whether a lock file has a package.
fn has(lock_file: &str, package: &str) -> bool {
    lock_file.contains(&format!("name = \"{package}\"\n"))
}

#[test]
fn beside_any_sqlite() {
    for theirs in [
        r#"rusqlite = "0.43""#,
        r#"rusqlite = "0.31""#,
        r#"diesel = { version = "2", features = ["sqlite", "postgres"] }"#,
    ] {
        resolves(DEFAULT, theirs);
        resolves(ALL, theirs);
    }
}

#[test]
fn beside_any_testcontainers() {
    for theirs in [
        r#"testcontainers = "0.28""#,
        r#"testcontainers = "0.25""#,
        r#"bollard = "0.21""#,
        r#"dockertest = "0.5""#,
    ] {
        resolves(PROGRAM, theirs);
    }
    resolves(DEFAULT, r#"testcontainers = "0.27""#);
}

#[test]
fn beside_other_versions_of_its_clients() {
    for (ours, theirs) in [
        (
            r#"version = "0.1", features = ["sqlx-0_8"]"#,
            r#"sqlx = { version = "0.8.6", features = ["postgres", "sqlite", "runtime-tokio"] }"#,
        ),
        (
            r#"version = "0.1", features = ["sea-orm-1"]"#,
            r#"sea-orm = { version = "1.1", features = ["sqlx-postgres", "sqlx-sqlite", "runtime-tokio-rustls"] }"#,
        ),
        (
            r#"version = "0.1", features = ["sea-orm-2"]"#,
            r#"sea-orm = { version = "2", features = ["sqlx-postgres", "sqlx-sqlite", "runtime-tokio-rustls"] }"#,
        ),
        (
            r#"version = "0.1", features = ["diesel-migrations"]"#,
            r#"diesel_migrations = { version = "2.3", features = ["postgres", "sqlite"] }"#,
        ),
        (
            r#"version = "0.1", features = ["refinery"]"#,
            r#"refinery = { version = "0.10", features = ["rusqlite", "tokio-postgres"] }"#,
        ),
        (
            r#"version = "0.1", features = ["sea-orm-migration-1"]"#,
            r#"sea-orm-migration = { version = "1.1", features = ["sqlx-postgres", "sqlx-sqlite", "runtime-tokio-rustls"] }"#,
        ),
        (
            r#"version = "0.1", features = ["sea-orm-migration-2"]"#,
            r#"sea-orm-migration = { version = "2", features = ["sqlx-postgres", "sqlx-sqlite", "runtime-tokio-rustls"] }"#,
        ),
        (DEFAULT, r#"redis = "0.27""#),
        (DEFAULT, r#"redis = "=2.0.0-rc.2""#),
    ] {
        resolves(ours, theirs);
    }
}

#[test]
fn all_features_at_once() {
    let all = resolves(ALL, "");
    for package in ["libsqlite3-sys", "mysqlclient-sys"] {
        assert!(!has(&all, package), "all features bring {package}");
    }
    let all = ALL.replace("\"refinery\",", "\"refinery\", \"sea-orm-migration-2\",");
    resolves(&all, "");
}

#[test]
fn a_project_gets_only_what_its_features_need() {
    let redis = r#"version = "0.1", default-features = false, features = ["redis"]"#;
    let redis = resolves(redis, "");
    assert!(has(&redis, "redis"));
    for package in ["sqlx", "sqlx-core", "bollard", "testcontainers", "hyper"] {
        assert!(!has(&redis, package), "redis alone brings {package}");
    }
    let postgres = r#"version = "0.1", default-features = false, features = ["postgres"]"#;
    let postgres = resolves(postgres, "");
    assert!(has(&postgres, "sqlx-postgres"));
    for package in ["redis", "bollard", "libsqlite3-sys", "sqlx-sqlite"] {
        assert!(!has(&postgres, package), "postgres alone brings {package}");
    }
}
