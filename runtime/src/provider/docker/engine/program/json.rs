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
mod tests;
