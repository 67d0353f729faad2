//! Tests that other tests run, each in a process of its own.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use container_test::testcontainers::ImageExt;
use container_test::testcontainers::core::WaitFor;
use container_test::{Container, GenericImage, container_test};

use crate::images::{no_shell, redis, script};

/// Says that the body is reached, and in which container.
fn reached(container: &Container) {
    let directory = PathBuf::from(std::env::var_os("REACHED").unwrap());
    let name = format!("{}-{}", std::process::id(), container.id());
    fs::write(directory.join(name), "").unwrap();
}

#[container_test(container(redis()))]
#[ignore = "run by another test"]
async fn own_one(container: Container) {
    reached(&container);
}

#[container_test(container(redis()))]
#[ignore = "run by another test"]
async fn own_other(container: Container) {
    reached(&container);
}

#[container_test(container(redis(), shared = true))]
#[ignore = "run by another test"]
async fn shared_one(container: Container) {
    reached(&container);
    // Another process finds it meanwhile.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[container_test(container(redis(), shared = true))]
#[ignore = "run by another test"]
async fn shared_other(container: Container) {
    reached(&container);
}

#[container_test(container(redis().with_env_var("A", "1"), shared = true))]
#[ignore = "run by another test"]
async fn shared_unequal(container: Container) {
    reached(&container);
}

#[container_test(container(redis()))]
#[ignore = "run by another test"]
async fn hangs(container: Container) {
    reached(&container);
    std::future::pending::<()>().await;
}

#[container_test(container(redis(), shared = true))]
#[ignore = "run by another test"]
async fn shared_hangs(container: Container) {
    reached(&container);
    std::future::pending::<()>().await;
}

#[container_test(container(script("echo started; sleep 60")))]
#[ignore = "run by another test"]
async fn never_ready(container: Container) {
    reached(&container);
}

#[container_test(container(script("echo started; sleep 60"), shared = true))]
#[ignore = "run by another test"]
async fn shared_never_ready(container: Container) {
    reached(&container);
}

#[container_test(container(script("echo started; sleep 60"), startup_timeout = "2s"))]
#[ignore = "run by another test"]
async fn late(_container: Container) {}

#[container_test(container(script("echo out of luck; exit 3")))]
#[ignore = "run by another test"]
async fn fails_at_once(_container: Container) {}

#[container_test(container(no_shell()))]
#[ignore = "run by another test"]
async fn no_shell_passes(container: Container) -> anyhow::Result<()> {
    let mut hello = String::new();
    TcpStream::connect(container.address(8080)?)?.read_to_string(&mut hello)?;
    assert_eq!(hello, "hello\n");
    reached(&container);
    Ok(())
}

#[container_test(container(no_shell()))]
#[ignore = "run by another test"]
async fn no_shell_hangs(container: Container) {
    reached(&container);
    std::future::pending::<()>().await;
}

#[container_test(container(no_shell().with_entrypoint("/no-such-program")))]
#[ignore = "run by another test"]
async fn no_shell_does_not_start(_container: Container) {}

#[container_test(container(no_shell(), shared = true))]
#[ignore = "run by another test"]
async fn no_shell_shared(_container: Container) {}

#[container_test(container(GenericImage::new("127.0.0.1:1/redis", "none")))]
#[ignore = "run by another test"]
async fn unknown_image(_container: Container) {}

#[container_test(container(redis().with_network("container-test-no-such-network")))]
#[ignore = "run by another test"]
async fn unknown_network(_container: Container) {}

#[container_test(container(redis().with_host_config_modifier(|_| {}), shared = true))]
#[ignore = "run by another test"]
async fn shared_incomparable(_container: Container) {}

#[container_test(container(
    GenericImage::new("redis", "8-alpine").with_wait_for(WaitFor::message_on_stdout("Ready"))
))]
#[ignore = "run by another test"]
async fn fails_in_its_body(container: Container) -> anyhow::Result<()> {
    reached(&container);
    anyhow::bail!("the body has failed")
}
