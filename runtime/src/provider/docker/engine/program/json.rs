//! What programs describe containers, images and networks with. The three agree in the names of the
//! fields, except for networks.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::model::{Container, Image, Listed, State, Version};
use super::super::network;

type Json<T> = Result<T, serde_json::Error>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerJson {
    id: String,
    created: String,
    state: StateJson,
    config: Option<LabelsJson>,
    network_settings: Option<NetworkSettingsJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StateJson {
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LabelsJson {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettingsJson {
    ports: Option<BTreeMap<String, Option<Vec<BindingJson>>>>,
    networks: Option<BTreeMap<String, EndpointJson>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BindingJson {
    host_port: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointJson {
    #[serde(rename = "IPAddress")]
    address: String,
}

/// Returns the first container of a description; `network` is the network that containers are in by
/// default.
pub(super) fn container(text: &str, network: &str) -> Json<Option<Container>> {
    let containers: Vec<ContainerJson> = serde_json::from_str(text)?;
    Ok(containers.into_iter().next().map(|container| {
        let settings = container.network_settings.unwrap_or_default();
        let networks = settings.networks.unwrap_or_default();
        let address = networks.get(network).map(|endpoint| &endpoint.address);
        let ports = settings.ports.unwrap_or_default().into_iter();
        Container {
            id: container.id,
            state: State::of(&container.state.status),
            labels: labels(container.config),
            ports: ports
                .filter_map(|(port, bindings)| {
                    let binding = bindings?.into_iter().next()?;
                    Some((port, binding.host_port.parse().ok()?))
                })
                .collect(),
            address: address.filter(|address| !address.is_empty()).cloned(),
        }
    }))
}

/// Returns all containers of a description, those without a time of creation left out.
pub(super) fn listed(text: &str) -> Json<Vec<Listed>> {
    let containers: Vec<ContainerJson> = serde_json::from_str(text)?;
    let listed = containers.into_iter().filter_map(|container| {
        Some(Listed {
            created: seconds(&container.created)?,
            state: State::of(&container.state.status),
            id: container.id,
            labels: labels(container.config),
        })
    });
    Ok(listed.collect())
}

fn labels(config: Option<LabelsJson>) -> BTreeMap<String, String> {
    config.and_then(|config| config.labels).unwrap_or_default()
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ImageJson {
    id: String,
    config: Option<ImageConfigJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ImageConfigJson {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    stop_signal: Option<String>,
}

/// Returns the first image of a description.
pub(super) fn image(text: &str) -> Json<Option<Image>> {
    let images: Vec<ImageJson> = serde_json::from_str(text)?;
    Ok(images.into_iter().next().map(|image| {
        let config = image.config.unwrap_or_default();
        Image {
            id: image.id,
            entrypoint: config.entrypoint.unwrap_or_default(),
            cmd: config.cmd.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            ports: config
                .exposed_ports
                .unwrap_or_default()
                .into_keys()
                .collect(),
            stop_signal: config.stop_signal,
        }
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NetworkJson {
    /// Of docker and nerdctl.
    #[serde(rename = "IPAM")]
    ipam: Option<IpamJson>,
    /// Of podman.
    subnets: Option<Vec<SubnetJson>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct IpamJson {
    config: Option<Vec<SubnetJson>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SubnetJson {
    #[serde(alias = "Subnet")]
    subnet: Option<String>,
    #[serde(alias = "Gateway")]
    gateway: Option<String>,
}

/// Returns the gateway of the first network of a description.
pub(super) fn gateway(text: &str) -> Json<Option<String>> {
    let networks: Vec<NetworkJson> = serde_json::from_str(text)?;
    let subnets = networks.into_iter().next().and_then(|network| {
        let ipam = network.ipam.and_then(|ipam| ipam.config);
        ipam.or(network.subnets)
    });
    Ok(subnets
        .into_iter()
        .flatten()
        .find_map(|subnet| network::gateway(subnet.gateway.as_deref(), subnet.subnet.as_deref())))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VersionJson {
    client: Option<PartJson>,
    server: Option<PartJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PartJson {
    version: String,
    components: Option<Vec<ComponentJson>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ComponentJson {
    name: String,
    version: String,
}

/// Returns the version of the engine that a program describes. Podman on Linux is the engine itself,
/// and describes no server.
pub(super) fn version(text: &str, program: &str) -> Json<Option<Version>> {
    let said: VersionJson = serde_json::from_str(text)?;
    Ok(said.server.or(said.client).map(|engine| {
        let first = engine.components.and_then(|all| all.into_iter().next());
        match first {
            Some(first) => Version::of(&first.name, &first.version),
            None => Version::of(program, &engine.version),
        }
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConnectionJson {
    name: String,
    #[serde(rename = "URI")]
    uri: String,
    default: bool,
}

/// Returns the address of a connection of podman: the one of this name, or the default one.
pub(super) fn connection(text: &str, name: Option<&str>) -> Json<Option<String>> {
    let connections: Vec<ConnectionJson> = serde_json::from_str(text)?;
    let mut connections = connections.into_iter();
    let found = connections.find(|connection| match name {
        Some(name) => connection.name == name,
        None => connection.default,
    });
    Ok(found.map(|connection| connection.uri))
}

/// Returns a time such as `2026-01-31T12:00:00.5+01:00` in whole seconds since 1970.
fn seconds(time: &str) -> Option<u64> {
    let (date, time) = time.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let clock: Vec<i64> = time
        .get(..8)?
        .split(':')
        .map_while(|part| part.parse().ok())
        .collect();
    let &[hour, minute, second] = clock.as_slice() else {
        return None;
    };
    let zone = time[8..].trim_start_matches(|digit: char| digit == '.' || digit.is_ascii_digit());
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign @ ("+" | "-"), zone) => {
            let (hours, minutes) = zone.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if sign == "-" { -minutes } else { minutes }
        }
        _ => return None,
    };
    // Years that begin in March end with the day that some of them lack.
    let year_from_march = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let leap_days = year_from_march / 4 - year_from_march / 100 + year_from_march / 400;
    let days = 365 * year_from_march + leap_days + (153 * month_from_march + 2) / 5 + day;
    // The days from then until the beginning of 1970.
    let days = days - 719_469;
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
    u64::try_from(seconds).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
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
}
