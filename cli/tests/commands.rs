//! The commands, on a fresh package and real servers.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use container_test::container_test;
use container_test::redis::{AsyncCommands, aio::ConnectionManager};
use container_test::sqlx::{self, PgPool};
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
        let providers = found["services"][service].as_array().unwrap();
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
fn doctor_says_what_the_machine_has_and_what_is_left() {
    let package = package();
    let metadata = "postgres = { image = \"postgres:no-such-tag\" }\n";
    let manifest = package.path().join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap() + metadata;
    fs::write(&manifest, text).unwrap();
    let (cache, data) = (package.path().join("cache"), package.path().join("data"));
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    fs::write(cache.join("prepared.tar"), "12345").unwrap();
    // As a server leaves it whose watchdog was killed.
    let left = data.join("container-test-redis-0123ab-4567.89ab");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join(".container-test-server"), "").unwrap();
    fs::set_permissions(&left, Permissions::from_mode(0o700)).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3_600);
    File::open(&left).unwrap().set_modified(long_ago).unwrap();
    let doctor = |arguments: &[&str]| {
        let doctor = command(package.path(), arguments)
            .env("CONTAINER_TEST_CACHE_DIR", &cache)
            .env("CONTAINER_TEST_DATA_DIR", &data)
            .output();
        printed(&doctor.unwrap())
    };
    let found: serde_json::Value = serde_json::from_str(&doctor(&["doctor", "--json"])).unwrap();
    let has_engine = found["services"]["redis"][1]["usable"] == true;
    if has_engine {
        assert!(found["engine"]["version"].is_string(), "{found:#}");
        assert_eq!(found["images"][0]["present"], false, "{found:#}");
        assert_eq!(found["images"][1]["service"], "redis");
    }
    if found["services"]["postgres"][2]["usable"] == true {
        let version = found["programs"][0]["version"].as_str().unwrap();
        assert!(version.contains("PostgreSQL"), "{version}");
    }
    assert_eq!(found["cache"]["directory"], cache.display().to_string());
    assert!(found["cache"]["free_bytes"].as_u64() > Some(0), "{found:#}");
    assert!(
        found["cache"]["size_bytes"].as_u64() >= Some(5),
        "{found:#}"
    );
    assert_eq!(found["room"][0]["directory"], data.display().to_string());
    assert_eq!(found["left"][0]["name"], left.display().to_string());
    let said = doctor(&["doctor"]);
    let expected = format!("left by an ended run: directory {}", left.display());
    assert!(said.contains(&expected), "{said}");
}

/// Fails with something to look at.
#[container_test(postgres, redis, migrations = ["CREATE TABLE users (email text)"])]
#[ignore = "it fails: the tests below run it"]
async fn fails_with_something_left(pool: PgPool, mut redis: ConnectionManager) {
    let insert = sqlx::query("INSERT INTO users VALUES ('grace@example.com')");
    insert.execute(&pool).await.unwrap();
    let () = redis.set("session", "42").await.unwrap();
    panic!("look at what is left");
}

/// Looks into what a failed test has left, and ends its servers, which belong to a user of their own.
fn look_into_a_retained_test(provider: &str) {
    let package = package();
    let user = format!("looks-{}-{provider}", std::process::id());
    // `down` must end no other servers: those of the engine have the user's name, and local ones are
    // in this directory, which their user has to reach.
    let data = package.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(package.path(), Permissions::from_mode(0o755)).unwrap();
    let as_user = |mut command: Command| {
        let command = command
            .env("USER", &user)
            .env("CONTAINER_TEST_PROVIDER", provider)
            .env("CONTAINER_TEST_DATA_DIR", &data)
            .env("CONTAINER_TEST_IDLE", "60");
        command.output().unwrap()
    };
    let found = |arguments: &[&str]| printed(&as_user(command(package.path(), arguments)));
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&found(arguments)).unwrap()
    };
    let mut fails = Command::new(std::env::current_exe().unwrap());
    fails
        .args(["--ignored", "--exact", "fails_with_something_left"])
        .env("CONTAINER_TEST_KEEP", "1");
    let failed = as_user(fails);
    let said = String::from_utf8_lossy(&failed.stdout);
    assert!(said.contains("look at what is left"), "{said}");

    let select = [
        "psql",
        "fails_with",
        "--",
        "-At",
        "-c",
        "SELECT email FROM users",
    ];
    assert_eq!(found(&select), "grace@example.com");
    let get = [
        "redis-cli",
        "fails_with",
        "--",
        "--no-auth-warning",
        "GET",
        "session",
    ];
    assert_eq!(found(&get), "42");
    let database = json(&["psql", "fails_with", "--json"]);
    assert_eq!(database["retained"], true);
    let url = database["url"].as_str().unwrap();
    let select = Command::new("psql")
        .args([url, "-At", "-c", COUNT])
        .output();
    assert_eq!(printed(&select.unwrap()), "1");

    let servers = &json(&["ps", "--json"])["servers"];
    let names = |list: &serde_json::Value, name: &str| {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| entry[name].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(servers, "service"), ["postgres", "redis"]);
    assert_eq!(names(servers, "provider"), [provider, provider]);
    assert_eq!(servers[0]["tests"][0]["retained"], true, "{servers:#}");
    let retained = &json(&["doctor", "--json"])["retained"];
    assert_eq!(retained[0]["slot"], database["slot"]);
    let keyspace = retained[1]["slot"].as_str().unwrap();
    assert!(keyspace.starts_with("logical database "), "{keyspace}");
    let logs = &json(&["logs", "postgres", "--lines", "3", "--json"])["servers"];
    assert_eq!(names(logs, "service"), ["postgres"]);
    assert_eq!(logs[0]["log"].as_array().unwrap().len(), 3, "{logs:#}");
    let ended = &json(&["down", "--json"])["servers"];
    assert_eq!(names(ended, "service"), ["postgres", "redis"]);
    assert!(
        ended
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["ended"] == true),
        "{ended:#}"
    );
    assert_eq!(json(&["ps", "--json"])["servers"].to_string(), "[]");
}

#[test]
fn a_retained_test_is_looked_into_in_containers() {
    look_into_a_retained_test("docker");
}

#[test]
fn a_retained_test_is_looked_into_on_local_servers() {
    look_into_a_retained_test("local");
}

#[test]
fn urls_are_printed_for_programs() {
    let package = package();
    let arguments = ["up", "--services", "redis", "--json"];
    let mut up = command(package.path(), &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = serde_json::Deserializer::from_reader(up.stdout.take().unwrap());
    let mut printed = printed.into_iter::<serde_json::Value>();
    let printed = printed.next().unwrap().unwrap();
    let url = printed["urls"]["REDIS_URL"].as_str().unwrap();
    assert!(url.starts_with("redis://"), "{printed}");
    let interrupt = Command::new("kill")
        .args(["-INT", &up.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert!(up.wait().unwrap().success());
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

#[test]
fn a_word_that_is_misspelt_is_answered_with_the_one_that_is_meant() {
    let output = run(Path::new("."), &["dwon"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("'down'"), "{said}");
}
