#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::fs;
use std::path::Path;

use super::super::fake::machine;
use super::*;

fn read(directory: &tempfile::TempDir, file: &str) -> String {
    fs::read_to_string(directory.path().join(file)).unwrap_or_default()
}

/// Describes a network, and the address of a context or connection.
const ANSWERS: &str = r#"case "$1 $2" in
    "network inspect") echo '[{"IPAM": {"Config": [{"Gateway": "172.17.0.1"}]}}]' ;;
    "context inspect") echo "$ENDPOINT" ;;
    "system connection") echo '[{"Name": "far", "URI": "ssh://ada@far/run", "Default": true}]' ;;
    *) echo "unknown: $*" >&2; exit 1 ;;
esac"#;

#[tokio::test]
async fn the_host_of_the_engine_is_that_of_its_address_context_or_connection() {
    for (way, variables, host) in [
        (Way::Docker, &[][..], None),
        (
            Way::Docker,
            &[("DOCKER_HOST", "ssh://ada@far")],
            Some("far"),
        ),
        (Way::Docker, &[("DOCKER_HOST", "unix:///run/a.sock")], None),
        (Way::Docker, &[("DOCKER_CONTEXT", "near")], None),
        (Way::Docker, &[("DOCKER_CONTEXT", "far")], Some("10.0.0.7")),
        // An address of docker is none of podman's.
        (Way::Podman, &[("DOCKER_HOST", "ssh://ada@far")], None),
        (
            Way::Podman,
            &[("CONTAINER_HOST", "ssh://ada@far")],
            Some("far"),
        ),
        (Way::Podman, &[("CONTAINER_CONNECTION", "far")], Some("far")),
    ] {
        let endpoint = match variables {
            [(_, "far")] => "ssh://ada@10.0.0.7:22",
            _ => "unix:///run/docker.sock",
        };
        let script = format!("ENDPOINT={endpoint}\n{ANSWERS}");
        let (_directory, config) = machine(&[way.name()], &script, variables);
        let program = Program::connect(&config, way).await.unwrap();
        assert_eq!(program.host(), host, "{way:?} {variables:?}");
        assert_eq!(program.gateway(), Some("172.17.0.1"));
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_an_error_with_the_programs_words() {
    let script = "echo 'Cannot connect to the Docker daemon at unix:///run/a.sock.' >&2; exit 1";
    let variables = [("DOCKER_HOST", "unix:///run/a.sock")];
    let (_directory, config) = machine(&["docker"], script, &variables);
    let report = Program::connect(&config, Way::Docker).await.unwrap_err();
    let report = report.report();
    assert!(report.contains("through the program `docker`"), "{report}");
    assert!(report.contains("because: Cannot connect"), "{report}");
    assert!(
        report.contains("DOCKER_HOST is `unix:///run/a.sock`"),
        "{report}"
    );
}

#[tokio::test]
async fn an_engine_without_the_usual_network_has_no_gateway() {
    let script = "echo 'Error response from daemon: network bridge not found' >&2; exit 1";
    let (_directory, config) = machine(&["docker"], script, &[]);
    let program = Program::connect(&config, Way::Docker).await.unwrap();
    assert_eq!(program.gateway(), None);
}

fn program(directory: &Path) -> Program {
    Program {
        file: directory.join("docker"),
        ..Program::unreachable()
    }
}

#[tokio::test]
async fn other_users_cannot_read_the_secrets_of_a_container() {
    let (directory, _) = machine(&["docker"], "echo 0123", &[]);
    let pair = |name: &str| (name.to_owned(), "hidden".to_owned());
    let container = NewContainer {
        name: "shop".to_owned(),
        environment: vec![pair("POSTGRES_PASSWORD"), pair("CONTAINER_TEST_FILE_1")],
        labels: vec![pair("container-test.password")],
        ..NewContainer::default()
    };
    program(directory.path()).run(&container).await.unwrap();
    let arguments = read(&directory, "arguments");
    assert!(arguments.starts_with("run --detach"), "{arguments}");
    assert!(!arguments.contains("hidden"), "{arguments}");
    let environment = read(&directory, "environment");
    assert!(environment.contains("POSTGRES_PASSWORD=hidden"));
    assert!(environment.contains("CONTAINER_TEST_FILE_1=hidden"));
    assert_eq!(
        read(&directory, "input"),
        "container-test.password=hidden\n"
    );
}

#[tokio::test]
async fn a_name_that_another_container_has_is_told_apart() {
    let says = |words: &str| format!("echo \"docker: Error: {words}\" >&2; exit 125");
    let container = NewContainer::default();
    let taken = "Conflict. The container name /a is already in use by container 01.";
    let (directory, _) = machine(&["docker"], &says(taken), &[]);
    let outcome = program(directory.path()).run(&container).await;
    assert!(
        matches!(outcome, Err(RunError::NameTaken(_))),
        "{outcome:?}"
    );
    let (directory, _) = machine(&["docker"], &says("port is already allocated"), &[]);
    let outcome = program(directory.path()).run(&container).await;
    assert!(matches!(outcome, Err(RunError::Failed(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_is_not_there_is_no_error() {
    let script = "echo '[]'; echo \"Error: No such $1: $3\" >&2; exit 1";
    let (directory, _) = machine(&["docker"], script, &[]);
    let program = program(directory.path());
    assert_eq!(program.inspect("shop").await.unwrap(), None);
    assert_eq!(program.inspect_image("shop:1").await.unwrap(), None);
    let (directory, _) = machine(&["docker"], "echo 'no answer' >&2; exit 1", &[]);
    let program = self::program(directory.path());
    let report = program.inspect("shop").await.unwrap_err().report();
    assert!(report.contains("because: no answer"), "{report}");
}

#[tokio::test]
async fn only_containers_that_are_there_are_described() {
    let script = r#"case "$1" in
        ps) echo 01; echo 02 ;;
        *) echo '[{"Id": "01", "Created": "2026-01-31T12:00:00Z", "Config": {"Labels": {"a": "1"}}}]'
            echo 'Error: No such container: 02' >&2
            exit 1 ;;
    esac"#;
    let (directory, _) = machine(&["docker"], script, &[]);
    let listed = program(directory.path()).list("a").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].id.as_str(), listed[0].created),
        ("01", 1_769_860_800)
    );
    let arguments = read(&directory, "arguments");
    let lines: Vec<&str> = arguments.lines().collect();
    assert_eq!(
        lines,
        [
            "ps --all --quiet --no-trunc --filter label=a",
            "container inspect 01 02",
        ]
    );
    let (directory, _) = machine(&["docker"], "", &[]);
    assert_eq!(program(directory.path()).list("a").await, []);
    assert_eq!(read(&directory, "arguments").lines().count(), 1);
}

#[tokio::test]
async fn a_pull_is_followed_where_the_program_writes_lines() {
    for (way, arguments) in [
        (Way::Docker, "pull --platform linux/amd64 a:1\n"),
        (
            Way::Podman,
            "pull --quiet --platform linux/amd64 docker.io/library/a:1\n",
        ),
    ] {
        let script = "echo '01: Pull complete'; echo 'no such manifest' >&2; exit 1";
        let (directory, _) = machine(&["docker"], script, &[]);
        let program = Program {
            way,
            ..program(directory.path())
        };
        let pulled = program.pull("a:1", Some("linux/amd64")).await;
        let report = pulled.unwrap_err().report();
        assert!(report.contains("because: no such manifest"), "{report}");
        assert_eq!(read(&directory, "arguments"), arguments);
    }
}

#[test]
fn images_of_docker_hub_have_a_whole_name_for_podman() {
    for (image, name) in [
        ("postgres:17", "docker.io/library/postgres:17"),
        ("timescale/tsdb:1", "docker.io/timescale/tsdb:1"),
        ("quay.io/nats:2", "quay.io/nats:2"),
        ("localhost/nats:2", "localhost/nats:2"),
    ] {
        assert_eq!(qualified(image), name);
    }
}
