//! The commands, on a fresh package and real servers.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A package with a migration, a seed, and both services.
fn package() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"shop\"\n\n[package.metadata.container-test]\n\
         services = [\"postgres\", \"redis\"]\n",
    );
    write(
        "migrations/0001_users.sql",
        "CREATE TABLE users (email text);",
    );
    write(
        "fixtures/users.sql",
        "INSERT INTO users VALUES ('grace@example.com');",
    );
    directory
}

/// The command in the package's directory, as Cargo calls it.
fn command(package: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-container-test"));
    command
        .arg("container-test")
        .args(arguments)
        .current_dir(package)
        .env_remove("CARGO_MANIFEST_DIR")
        .env("CONTAINER_TEST_IDLE", "5");
    command
}

fn run(package: &Path, arguments: &[&str]) -> Output {
    command(package, arguments).output().unwrap()
}

/// What a successful command prints.
#[track_caller]
fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

const COUNT: &str = "SELECT count(*) FROM users";

#[test]
fn a_command_gets_both_services_with_migrations_and_seeds() {
    let package = package();
    let count =
        format!("psql -At -c '{COUNT}' \"$DATABASE_URL\"; redis-cli -u \"$REDIS_URL\" PING");
    let counted = run(
        package.path(),
        &["up", "--seeds", "users", "--", "sh", "-c", &count],
    );
    assert_eq!(printed(&counted), "1\nPONG");
    let next = run(package.path(), &["psql", "--", "-At", "-c", COUNT]);
    assert_eq!(printed(&next), "0", "another database, without the seed");
    let pong = run(package.path(), &["redis-cli", "--", "PING"]);
    assert_eq!(printed(&pong), "PONG");
}

#[test]
fn the_exit_code_of_a_command_is_passed_on() {
    let package = package();
    let up = |script| {
        let arguments = ["up", "--services", "redis", "--", "sh", "-c", script];
        run(package.path(), &arguments).status.code()
    };
    assert_eq!(up("exit 7"), Some(7));
    assert_eq!(up("kill -KILL $$"), Some(137));
    let missing = run(
        package.path(),
        &["up", "--services", "redis", "--", "/no/such/program"],
    );
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(
        said.contains("error: failed to run /no/such/program"),
        "{said}"
    );
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn without_a_command_the_services_stay_until_an_interrupt() {
    let package = package();
    let mut up = command(package.path(), &["up", "--env", ".env"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let variables = [
        lines.next().unwrap().unwrap(),
        lines.next().unwrap().unwrap(),
    ];
    let [database, redis] = &variables;
    let url = database.strip_prefix("DATABASE_URL=").unwrap();
    assert!(redis.starts_with("REDIS_URL=redis://"), "{redis}");
    let file = fs::read_to_string(package.path().join(".env")).unwrap();
    assert_eq!(file, format!("{database}\n{redis}\n"));
    let count = Command::new("psql")
        .args([url, "-At", "-c", COUNT])
        .output();
    assert_eq!(printed(&count.unwrap()), "0");
    let interrupt = Command::new("kill")
        .args(["-INT", &up.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert!(up.wait().unwrap().success());
    assert!(!package.path().join(".env").exists());
}

#[test]
fn a_signal_to_this_process_alone_is_passed_on_to_the_command() {
    let package = package();
    let script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let arguments = ["up", "--services", "redis", "--", "sh", "-c", script];
    let mut up = command(package.path(), &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let terminate = Command::new("kill")
        .args(["-TERM", &up.id().to_string()])
        .status();
    assert!(terminate.unwrap().success());
    assert_eq!(up.wait().unwrap().code(), Some(3));
}

#[test]
fn doctor_says_of_each_provider_whether_it_can_be_used_and_why() {
    let package = package();
    let doctor = run(package.path(), &["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&printed(&doctor)).unwrap();
    for service in ["postgres", "redis"] {
        let providers = found[service].as_array().unwrap();
        let names: Vec<_> = providers.iter().map(|found| &found["provider"]).collect();
        assert_eq!(names, ["external", "docker", "local"]);
        assert!(
            providers.iter().any(|found| found["usable"] == true),
            "{found:#}"
        );
    }
    let nowhere = command(package.path(), &["doctor"])
        .env("CONTAINER_TEST_PROVIDER", "external")
        .env_remove("CONTAINER_TEST_POSTGRES_URL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&nowhere.stdout);
    assert_eq!(nowhere.status.code(), Some(1), "{said}");
    assert!(said.contains("  external: not usable\n"), "{said}");
    assert!(
        said.contains("fix: set CONTAINER_TEST_POSTGRES_URL"),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_the_package_is_reported() {
    let package = package();
    fs::write(
        package.path().join("migrations/0002_typo.sql"),
        "CREATE TABEL a ();",
    )
    .unwrap();
    let up = run(package.path(), &["up", "--", "true"]);
    let said = String::from_utf8_lossy(&up.stderr);
    assert_eq!(up.status.code(), Some(1), "{said}");
    assert!(said.contains("migrations/0002_typo.sql, line 1"), "{said}");
    let elsewhere = tempfile::tempdir().unwrap();
    let up = run(elsewhere.path(), &["up"]);
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(said.contains("run this in a package's directory"), "{said}");
}
