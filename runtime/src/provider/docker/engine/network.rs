//! What is read out of an engine's networks.

use std::net::Ipv4Addr;

/// Returns a network's gateway. An engine that was started for the first time may not say it: then
/// it is the first address of the subnet.
pub(super) fn gateway(named: Option<&str>, subnet: Option<&str>) -> Option<String> {
    if let Some(gateway) = named.filter(|gateway| !gateway.is_empty()) {
        return Some(gateway.to_owned());
    }
    let (network, _) = subnet?.split_once('/')?;
    let first = u32::from(network.parse::<Ipv4Addr>().ok()?).checked_add(1)?;
    Some(Ipv4Addr::from(first).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_the_engine_does_not_say_is_the_first_address_of_the_subnet() {
        let subnet = Some("172.17.0.0/16");
        for (named, subnet, found) in [
            (Some("172.17.9.9"), subnet, Some("172.17.9.9")),
            (None, subnet, Some("172.17.0.1")),
            (Some(""), subnet, Some("172.17.0.1")),
            (None, Some("fd00::/64"), None),
            (None, None, None),
        ] {
            assert_eq!(gateway(named, subnet).as_deref(), found);
        }
    }
}
