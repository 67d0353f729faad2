#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use super::*;

#[test]
fn a_container_is_read() {
    let text = r#"[{
        "Id": "0123", "Created": "2026-01-31T12:00:00Z", "Name": "/shop",
        "State": {"Status": "running", "Running": true, "Pid": 7},
        "Config": {"Labels": {"a": "1", "b": "x=y,z"}, "Env": ["A=1"]},
        "NetworkSettings": {
            "Ports": {
                "5432/tcp": [
                    {"HostIp": "127.0.0.1", "HostPort": "40000"},
                    {"HostIp": "::1", "HostPort": "40001"}
                ],
                "80/tcp": null
            },
            "Networks": {"bridge": {"IPAddress": "172.17.0.2", "MacAddress": ""}}
        }
    }]"#;
    let found = container(text, "bridge").unwrap().unwrap();
    assert_eq!(found.id, "0123");
    assert_eq!(found.state, State::Running);
    assert_eq!(found.labels["b"], "x=y,z");
    assert_eq!(found.ports, [("5432/tcp".to_owned(), 40_000)].into());
    assert_eq!(found.address.as_deref(), Some("172.17.0.2"));
    assert_eq!(container(text, "podman").unwrap().unwrap().address, None);
    assert_eq!(container("[]", "bridge").unwrap(), None);
    container("no JSON", "bridge").unwrap_err();
}

#[test]
fn a_container_that_has_nothing_is_read() {
    let text = r#"[{
        "Id": "0123", "State": {"Status": "created"}, "Config": {"Labels": null},
        "NetworkSettings": {"Ports": {}, "Networks": {"bridge": {"IPAddress": ""}}}
    }]"#;
    let found = container(text, "bridge").unwrap().unwrap();
    assert_eq!((found.state, found.address), (State::Created, None));
    assert!(found.labels.is_empty() && found.ports.is_empty());
}

#[test]
fn an_image_is_read() {
    let text = r#"[{
        "Id": "sha256:01", "RepoTags": ["shop:1"],
        "Config": {
            "Entrypoint": ["entrypoint.sh"], "Cmd": ["serve", "--all"], "Env": ["A=1"],
            "Volumes": {"/data": {}}, "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGINT"
        }
    }]"#;
    let found = image(text).unwrap().unwrap();
    assert_eq!(found.id, "sha256:01");
    assert_eq!(found.entrypoint, ["entrypoint.sh"]);
    assert_eq!(found.cmd, ["serve", "--all"]);
    assert_eq!(found.env, ["A=1"]);
    assert_eq!(found.volumes, ["/data"]);
    assert_eq!(found.ports, ["80/tcp"]);
    assert_eq!(found.stop_signal.as_deref(), Some("SIGINT"));
    let bare = r#"[{"Id": "sha256:01", "Config": {"Entrypoint": null, "Volumes": null}}]"#;
    assert!(image(bare).unwrap().unwrap().entrypoint.is_empty());
    assert_eq!(image("[]").unwrap(), None);
}

#[test]
fn the_gateway_of_a_network_is_read_as_each_program_writes_it() {
    for (text, found) in [
        (
            r#"[{"Name": "bridge", "IPAM": {"Driver": "default", "Config":
                [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}}]"#,
            Some("172.17.0.1"),
        ),
        (
            r#"[{"Name": "bridge", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}]"#,
            Some("172.18.0.1"),
        ),
        (
            r#"[{"name": "podman", "driver": "bridge", "subnets":
                [{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]}]"#,
            Some("10.88.0.1"),
        ),
        (r#"[{"Name": "bridge", "IPAM": {"Config": null}}]"#, None),
        ("[]", None),
    ] {
        assert_eq!(gateway(text).unwrap().as_deref(), found, "{text}");
    }
}

#[test]
fn the_address_of_a_connection_is_read() {
    let text = r#"[
        {"Name": "near", "URI": "ssh://core@127.0.0.1:50000/run/podman.sock", "Default": true},
        {"Name": "far", "URI": "ssh://ada@far/run/podman.sock", "Default": false}
    ]"#;
    let of = |name| connection(text, name).unwrap();
    assert!(of(None).unwrap().contains("127.0.0.1"));
    assert!(of(Some("far")).unwrap().contains("ada@far"));
    assert_eq!(of(Some("other")), None);
}

#[test]
fn the_version_of_an_engine_is_read_as_each_program_writes_it() {
    for (program, text, name, number) in [
        (
            "docker",
            r#"{"Client": {"Version": "26.1.5"}, "Server": {"Platform": {"Name": ""}, "Version":
                "26.1.5", "Components": [{"Name": "Engine", "Version": "26.1.5", "Details": {}},
                {"Name": "containerd", "Version": "1.7.24"}]}}"#,
            "Docker Engine",
            "26.1.5",
        ),
        (
            "podman",
            r#"{"Client": {"APIVersion": "5.4.2", "Version": "5.4.2", "Built": 1}}"#,
            "podman",
            "5.4.2",
        ),
        (
            "nerdctl",
            r#"{"Client": {"Version": "v2.0.3", "Components": []}, "Server": {"Components":
                [{"Name": "containerd", "Version": "v2.0.2", "Details": null}]}}"#,
            "containerd",
            "v2.0.2",
        ),
    ] {
        let found = version(text, program).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), found.version.as_str()),
            (name, number)
        );
    }
    assert_eq!(version("{}", "docker").unwrap(), None);
}

#[test]
fn times_are_read_in_any_zone() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-01-31T12:00:00.123456789Z", Some(1_769_860_800)),
        ("2026-01-31T13:00:00.5+01:00", Some(1_769_860_800)),
        ("2026-01-31T06:30:00-05:30", Some(1_769_860_800)),
        ("2024-02-29T23:59:59Z", Some(1_709_251_199)),
        ("2000-03-01T00:00:00Z", Some(951_868_800)),
        ("0001-01-01T00:00:00Z", None),
        ("2026-01-31 12:00:00 +0000 UTC", None),
        ("", None),
    ] {
        assert_eq!(seconds(text), expected, "{text}");
    }
}
