//! A server that is given by URL.

use std::env;
use std::process::Command;

use container_test::container_test;
use container_test_nats::{Nats, NatsClient};

#[container_test(Nats)]
#[ignore = "the other test runs it"]
async fn runs_on_what_the_environment_says(_nats: NatsClient) {}

#[test]
fn a_server_given_by_url_is_refused_with_the_reason() -> anyhow::Result<()> {
    let output = Command::new(env::current_exe()?)
        .args([
            "--include-ignored",
            "--exact",
            "runs_on_what_the_environment_says",
        ])
        .env_remove("CONTAINER_TEST_PROVIDER")
        .env("CONTAINER_TEST_NATS_URL", "nats://me:secret@127.0.0.1:1")
        .output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{report}");
    assert!(
        report.contains("help: unset CONTAINER_TEST_NATS_URL"),
        "{report}"
    );
    assert!(!report.contains("secret"), "{report}");
    Ok(())
}
