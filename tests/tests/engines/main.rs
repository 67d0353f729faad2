//! What an engine decides: the server that an image has, and the ways to the engine. Without an engine
//! at a socket of this machine these tests fail, and say so.
#![cfg(target_os = "linux")] // The user of a connection is found in /proc.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

mod forward;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use container_test::redis::{self, AsyncCommands, aio::ConnectionManager};
use container_test::sqlx::{self, PgPool};
use container_test::{TestContext, container_test};
use container_test_tests::ends::DEADLINE;
use container_test_tests::engine::Engine;
use tempfile::TempDir;

use crate::forward::Forward;

#[container_test(
    postgres(image = ["postgres:15-alpine", "postgres:17-alpine"]),
    migrations = ["CREATE TABLE users (id int)"],
)]
#[case(1)]
#[case(2)]
async fn a_test_has_the_image_of_its_name(
    #[case] id: i32,
    cx: TestContext,
    pool: PgPool,
) -> anyhow::Result<()> {
    // Such as `…::case_1_postgres_15_alpine`.
    let asked = cx.name().rsplit('_').nth(1).unwrap_or_default();
    let version: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&pool)
        .await?;
    assert!(
        version.starts_with(&format!("{asked}.")),
        "{} has {version}",
        cx.name()
    );
    sqlx::query("INSERT INTO users VALUES ($1)")
        .bind(id)
        .execute(&pool)
        .await?;
    let ids: Vec<i32> = sqlx::query_scalar("SELECT id FROM users")
        .fetch_all(&pool)
        .await?;
    assert_eq!(ids, [id]);
    Ok(())
}

#[container_test(redis(image = ["redis:8-alpine", "valkey/valkey:8-alpine"]))]
#[case(1)]
#[case(2)]
async fn valkey_does_for_redis(
    #[case] value: i32,
    cx: TestContext,
    mut redis: ConnectionManager,
) -> anyhow::Result<()> {
    let about: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut redis)
        .await?;
    assert_eq!(
        about.contains("valkey_version"),
        cx.name().contains("valkey_valkey"),
        "{} has {about}",
        cx.name()
    );
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await?;
    assert_eq!(keys, 0);
    let () = redis.set("key", value).await?;
    assert_eq!(redis.get::<_, i32>("key").await?, value);
    Ok(())
}

#[container_test(postgres, redis, migrations = ["CREATE TABLE users (id int)"])]
#[ignore = "run by other tests, each with another way to the engine"]
async fn has_servers(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO users VALUES (1)")
        .execute(&pool)
        .await?;
    let () = redis.set("key", "value").await?;
    Ok(())
}

/// A user of the engine who shares no server with other tests.
struct User {
    engine: Engine,
    name: String,
    directory: TempDir,
}

impl User {
    fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("container-test-user-")
            .tempdir()
            .unwrap();
        let name = directory.path().file_name().unwrap();
        Self {
            engine: Engine::connect(),
            name: name.to_str().unwrap().to_owned(),
            directory,
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the test that has servers, with one way to the engine, and waits until they have ended.
    fn has_servers(&self, variables: &[(&str, &str)]) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "has_servers"])
            .env("USER", &self.name)
            .env("CONTAINER_TEST_CACHE_DIR", self.path().join("cache"))
            .env("CONTAINER_TEST_PROVIDER", "docker")
            .env("CONTAINER_TEST_IDLE", "2")
            .env_remove("DOCKER_HOST")
            .env_remove("NEXTEST")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:#?}");
        let created = self.engine.created(&self.name);
        for service in ["postgres", "redis"] {
            assert_eq!(created.get(service), Some(&1), "{created:?}");
        }
        let since = Instant::now();
        loop {
            let left = self.engine.left(&self.name);
            if left.is_empty() {
                return;
            }
            assert!(since.elapsed() < DEADLINE, "{left:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn docker(arguments: &[&str], settings: &Path) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_CONFIG", settings)
        .output()
        .unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:#?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_program_takes_the_engine_of_the_current_context() {
    let user = User::new();
    let near = Forward::at_socket_in(user.path());
    let settings = user.path().join("settings");
    let host = format!("host={}", near.address);
    docker(&["context", "create", "near", "--docker", &host], &settings);
    docker(&["context", "use", "near"], &settings);
    user.has_servers(&[
        ("CONTAINER_TEST_ENGINE", "docker"),
        ("DOCKER_CONFIG", settings.to_str().unwrap()),
    ]);
    assert!(near.connections() > 0);
}

#[test]
fn both_ways_reach_an_engine_at_a_port_of_this_machine() {
    for way in ["docker", "library"] {
        let user = User::new();
        let port = Forward::at_port_of(Ipv4Addr::LOCALHOST);
        user.has_servers(&[
            ("CONTAINER_TEST_ENGINE", way),
            ("DOCKER_HOST", &port.address),
        ]);
        assert!(port.connections() > 0, "{way}");
    }
}

/// This machine's address on the engine's network looks like another machine's.
#[test]
fn both_ways_reach_an_engine_at_a_port_of_another_machine() {
    for way in ["docker", "library"] {
        let user = User::new();
        let port = Forward::at_port_of(address_on_the_bridge(user.path()));
        user.has_servers(&[
            ("CONTAINER_TEST_ENGINE", way),
            ("DOCKER_HOST", &port.address),
        ]);
        assert!(port.connections() > 0, "{way}");
    }
}

fn address_on_the_bridge(settings: &Path) -> Ipv4Addr {
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let subnet = docker(
        &["network", "inspect", "bridge", "--format", format],
        settings,
    );
    let network: Ipv4Addr = subnet.split('/').next().unwrap().parse().unwrap();
    // Nothing is sent: this asks only which address would be the sender's.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let neighbour = Ipv4Addr::from(u32::from(network) + 9);
    socket.connect((neighbour, 9)).unwrap();
    match socket.local_addr().unwrap().ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => panic!("{address} is of version 6"),
    }
}
