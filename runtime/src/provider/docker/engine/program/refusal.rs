//! What programs say when they refuse: the status of their processes does not tell causes apart.

/// Returns whether there is no container of the name.
pub(super) fn is_no_such_container(said: &str) -> bool {
    says(
        said,
        &[
            "no such container",
            "no container with name or id",
            "no such object",
        ],
    )
}

/// Returns whether there is no image of the name.
pub(super) fn is_no_such_image(said: &str) -> bool {
    says(
        said,
        &[
            "no such image",
            "image not known",
            "no such object",
            "failed to find image",
        ],
    )
}

/// Returns whether there is no network of the name.
pub(super) fn is_no_such_network(said: &str) -> bool {
    says(said, &["no such network", "network not found", "no such object"])
        // Docker puts the name between the words.
        || says(said, &["network"]) && says(said, &["not found"])
}

/// Returns whether another container has the name.
pub(super) fn is_name_taken(said: &str) -> bool {
    says(said, &["name"]) && says(said, &["is already in use", "is already used by"])
}

fn says(said: &str, words: &[&str]) -> bool {
    let said = said.to_lowercase();
    words.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_all_programs_are_told_apart() {
        let containers = [
            "Error: No such container: shop",
            "Error response from daemon: No such container: shop",
            "Error: no such container \"shop\"",
            "Error: no container with name or ID \"shop\" found: no such container",
            "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"no such container shop\"",
        ];
        let images = [
            "Error: No such image: shop:1",
            "Error response from daemon: No such image: shop:1",
            "Error: shop:1: image not known",
            "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"1 errors:\\nno such image: shop:1\"",
        ];
        let networks = [
            "Error: No such network: bridge",
            "Error response from daemon: network bridge not found",
            "Error: network bridge: unable to find network with name or ID bridge: network not found",
        ];
        let names = [
            "docker: Error response from daemon: Conflict. The container name \"/shop\" is already \
             in use by container \"0123456789ab\". You have to remove (or rename) that container \
             to be able to reuse that name.",
            "Error: creating container storage: the container name \"shop\" is already in use by \
             0123456789ab. You have to remove that container to be able to reuse that name: that \
             name is already in use",
            "level=fatal msg=\"name-store error\\nname \\\"shop\\\" is already used by ID \
             \\\"0123456789ab\\\"\"",
        ];
        let others = [
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker \
             daemon running?",
            "docker: Error response from daemon: driver failed programming external connectivity: \
             Bind for 127.0.0.1:5432 failed: port is already allocated.",
            "permission denied while trying to connect to the Docker daemon socket",
            "error during connect: ssh: Could not resolve hostname far",
        ];
        let of = |said: &str| {
            [
                is_no_such_container(said),
                is_no_such_image(said),
                is_no_such_network(said),
                is_name_taken(said),
            ]
        };
        for (texts, told) in [
            (&containers[..], [true, false, false, false]),
            (&images, [false, true, false, false]),
            (&networks, [false, false, true, false]),
            (&names, [false, false, false, true]),
            (&others, [false; 4]),
        ] {
            for text in texts {
                assert_eq!(of(text), told, "{text}");
            }
        }
    }
}
