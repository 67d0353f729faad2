//! What a test has of its container.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use container_test::testcontainers::ImageExt;
use container_test::testcontainers::core::{IntoContainerPort, Mount};
use container_test::{Container, TestContext, container_test};

use crate::images::{no_shell, redis, script};

/// Returns what the engine says of a container.
fn inspect(container: &Container, format: &str) -> String {
    let inspect = ["inspect", "--format", format, container.id()];
    let output = Command::new("docker").args(inspect).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns where the engine publishes Redis's port.
fn published(container: &Container) -> String {
    let ports = "(index .NetworkSettings.Ports \"6379/tcp\")";
    inspect(
        container,
        &format!("{{{{range {ports}}}}}{{{{.HostIp}}}}:{{{{.HostPort}}}} {{{{end}}}}"),
    )
}

fn ping(address: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    connection.read_exact(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[container_test(container(redis()))]
async fn a_container_is_reached_at_its_published_port(container: Container) -> anyhow::Result<()> {
    let (host, port) = (container.host(), container.port(6379)?);
    assert_eq!(container.address(6379)?, format!("{host}:{port}"));
    assert_eq!(ping(&container.address(6379)?), "+PONG\r\n");
    assert_eq!(
        published(&container),
        format!("{host}:{port}"),
        "on no other address"
    );
    Ok(())
}

#[container_test(container(redis()))]
async fn a_port_that_is_not_exposed_is_an_error(container: Container) {
    let report = container.port(80).unwrap_err().report();
    assert!(
        report.contains("find port 80 of the container of redis:8-alpine"),
        "{report}"
    );
    assert!(report.contains("it exposes 6379/tcp"), "{report}");
}

#[container_test(container(redis()))]
async fn programs_run_in_the_container(container: Container) -> anyhow::Result<()> {
    let script = "echo $0 out; echo err >&2; exit 3";
    let output = container.exec(["sh", "-c", script, "to"]).await?;
    assert_eq!(output.code, 3);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("to out\n", "err\n")
    );
    let report = container
        .exec(["no-such-program"])
        .await
        .unwrap_err()
        .report();
    assert!(
        report.contains("run `no-such-program` in the container of redis"),
        "{report}"
    );
    Ok(())
}

#[container_test(container(script(
    "echo to stdout; echo to stderr >&2; echo script is ready; sleep 60"
)))]
async fn the_log_has_both_outputs(container: Container) -> anyhow::Result<()> {
    let logs = container.logs().await?;
    let mut lines: Vec<&str> = logs.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["script is ready", "to stderr", "to stdout"]);
    Ok(())
}

#[container_test(container(script("sleep 2; echo script is ready; sleep 60")))]
async fn the_body_starts_when_the_image_says_that_it_is_ready(
    container: Container,
) -> anyhow::Result<()> {
    assert!(container.logs().await?.contains("script is ready"));
    Ok(())
}

const REQUEST: &str = "
    [ \"$A\" = 1 ] && [ \"$(cat /etc/copied)\" = content ] && [ \"$(hostname)\" = named ] &&
        [ \"$(pwd)\" = /var ] && grep -q ' /mounted tmpfs' /proc/mounts && id -u &&
        echo script is ready
    sleep 60";

#[container_test(container(
    script(REQUEST)
        .with_env_var("A", "1")
        .with_copy_to("/etc/copied", b"content".to_vec())
        .with_hostname("named")
        .with_working_dir("/var")
        .with_user("nobody")
        .with_mount(Mount::tmpfs_mount("/mounted"))
        .with_label("of.the", "test")
        .with_host_config_modifier(|host| host.memory = Some(64 << 20)),
    startup_timeout = "5s",
))]
async fn what_a_request_says_applies(container: Container) {
    assert_eq!(
        inspect(&container, "{{index .Config.Labels \"of.the\"}}"),
        "test"
    );
    assert_eq!(inspect(&container, "{{.HostConfig.Memory}}"), "67108864");
}

#[container_test(container(script("read -r _; sleep 0.1; echo script is ready; sleep 60").with_open_stdin(true).with_ready_conditions(vec![])))]
async fn an_open_input_stays_open(container: Container) -> anyhow::Result<()> {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(container.logs().await?, "");
    Ok(())
}

#[container_test(container(redis().with_mapped_port(47_123, 6379.tcp())))]
async fn a_port_of_ones_own_choice_is_published_on_loopback_as_well(
    container: Container,
) -> anyhow::Result<()> {
    assert_eq!(container.port(6379)?, 47_123);
    assert_eq!(published(&container), format!("{}:47123", container.host()));
    Ok(())
}

#[container_test(one = container(redis()), other = container(no_shell()))]
async fn a_test_can_have_several(
    #[from(one)] one: Container,
    #[from(other)] other: Container,
) -> anyhow::Result<()> {
    assert_eq!(ping(&one.address(6379)?), "+PONG\r\n");
    let mut hello = String::new();
    TcpStream::connect(other.address(8080)?)?.read_to_string(&mut hello)?;
    assert_eq!(hello, "hello\n");
    assert!(other.logs().await?.contains("listening"));
    let report = other.exec(["sh", "-c", ""]).await.unwrap_err().report();
    assert!(report.contains("some images have no shell"), "{report}");
    Ok(())
}

async fn fill(container: Container) -> anyhow::Result<()> {
    let output = container.exec(["touch", "/tmp/filled"]).await?;
    assert_eq!(output.code, 0, "{}", output.stderr);
    Ok(())
}

#[container_test(container(redis(), seeds(fill)))]
async fn seed_functions_take_the_handle(cx: TestContext) -> anyhow::Result<()> {
    let container: Container = cx.get().await?;
    assert_eq!(container.exec(["ls", "/tmp/filled"]).await?.code, 0);
    Ok(())
}
