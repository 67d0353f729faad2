//! Containers that cannot be had: each message names what failed, why and what to do; nothing is
//! left behind.

use crate::runs::User;

/// Runs a test that cannot be given its container; fails unless its report says all of this.
#[track_caller]
fn reports(test: &str, variables: &[(&str, &str)], says: &[&str]) {
    let user = User::new();
    let (passed, output) = user.start(&[test], variables).finish();
    assert!(!passed, "{output}");
    for part in says {
        assert!(output.contains(part), "not said: {part}\n{output}");
    }
    assert_eq!(user.left(), [""; 0]);
}

#[test]
fn a_program_that_ends_at_once_is_reported_with_its_log() {
    reports(
        "fails_at_once",
        &[],
        &[
            "failed to start a container of redis:8-alpine",
            "because: the server ended by itself with status 3",
            "out of luck",
            "help: the container's own words above say why",
        ],
    );
}

#[test]
fn a_container_that_does_not_get_ready_is_reported_with_its_log() {
    reports(
        "late",
        &[],
        &[
            "failed to start a container of redis:8-alpine",
            "because: it was not ready within 2s",
            "its last log lines:\n    started",
            "help: see in its log what it waits for",
        ],
    );
}

#[test]
fn a_program_that_does_not_exist_is_reported() {
    reports(
        "no_shell_does_not_start",
        &[],
        &[
            "failed to start a container of container-test/no-shell:1",
            "/no-such-program",
            "help: the engine's own words above say why",
        ],
    );
}

#[test]
fn an_image_that_does_not_exist_is_reported() {
    reports(
        "unknown_image",
        &[],
        &[
            "failed to pull the image 127.0.0.1:1/redis:none",
            "connection refused",
            "help: check its name and tag",
        ],
    );
}

#[test]
fn a_network_that_does_not_exist_is_reported() {
    reports(
        "unknown_network",
        &[],
        &[
            "failed to connect a container of redis:8-alpine to its network",
            "help: create it before the tests: `docker network create container-test-no-such-network`",
        ],
    );
}

#[test]
fn a_container_without_a_shell_cannot_be_shared() {
    reports(
        "no_shell_shared",
        &[],
        &[
            "failed to share a container of container-test/no-shell:1",
            "the image has no shell",
            "help: leave `shared = true` out",
        ],
    );
}

#[test]
fn a_request_that_cannot_be_compared_cannot_be_shared() {
    reports(
        "shared_incomparable",
        &[],
        &[
            "failed to share a container of redis:8-alpine",
            "with_host_config_modifier",
        ],
    );
}

#[test]
fn without_an_engine_the_test_fails_and_says_how_to_get_one() {
    reports(
        "own_one",
        &[("CONTAINER_TEST_PROVIDER", "local")],
        &[
            "because: `container(…)` needs a Docker engine, and CONTAINER_TEST_PROVIDER is `local`",
            "help: unset CONTAINER_TEST_PROVIDER",
        ],
    );
    reports(
        "own_one",
        &[("DOCKER_HOST", "tcp://127.0.0.1:1")],
        &[
            "because: `container(…)` needs a Docker engine",
            "DOCKER_HOST is `tcp://127.0.0.1:1`",
            "help: start Docker",
        ],
    );
}
