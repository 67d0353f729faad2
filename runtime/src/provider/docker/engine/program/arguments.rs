//! How a container is created and started, as arguments of the program. Other users of the machine
//! can read those, so what may be secret travels in the program's own environment and input.

use super::super::model::NewContainer;

/// Variables that the programs read themselves. A container's value would change what they do, so it
/// is an argument.
const READ_BY_PROGRAMS: [&str; 12] = [
    "CNI_PATH",
    "CONTAINER_CONNECTION",
    "CONTAINER_HOST",
    "CONTAINER_SSHKEY",
    "GODEBUG",
    "HOME",
    "NETCONFPATH",
    "PATH",
    "REGISTRY_AUTH_FILE",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "TMPDIR",
];

/// Beginnings of the names of more such variables.
const PREFIXES: [&str; 13] = [
    "BUILDKIT_",
    "BUILDX_",
    "CONTAINERD_",
    "CONTAINERS_",
    "DOCKER_",
    "DYLD_",
    "GO",
    "LD_",
    "NERDCTL_",
    "OTEL_",
    "PODMAN_",
    "SSH_",
    "XDG_",
];

/// A container that is created and started.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) arguments: Vec<String>,
    /// Of the program, which hands these variables on to the container.
    pub(super) environment: Vec<(String, String)>,
    /// The container's labels, a line each.
    pub(super) input: String,
}

impl Run {
    /// Returns how this container is created and started.
    pub(super) fn of(container: &NewContainer) -> Self {
        let mut run = Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            input: String::new(),
        };
        run.flag("--detach");
        run.flag("--rm");
        // What is missing is pulled before, with a word about it.
        run.option("--pull", "never");
        run.option("--name", &container.name);
        run.option("--entrypoint", &container.entrypoint);
        if let Some(publish) = &container.publish {
            let address = if publish.address.contains(':') {
                format!("[{}]", publish.address)
            } else {
                publish.address.clone()
            };
            run.option("--publish", &format!("{address}::{}/tcp", publish.port));
        }
        if let Some(bytes) = container.shared_memory {
            run.option("--shm-size", &format!("{bytes}b"));
        }
        for path in &container.tmpfs {
            run.option("--tmpfs", path);
        }
        for bind in &container.binds {
            run.option("--volume", bind);
        }
        if let Some(network) = &container.network {
            run.option("--network", network);
        }
        if let Some(platform) = &container.platform {
            run.option("--platform", platform);
        }
        for (name, value) in &container.environment {
            run.variable(name, value);
        }
        for (name, value) in &container.labels {
            run.label(name, value);
        }
        run.option("--label-file", "/dev/stdin");
        run.flag(&container.image);
        run.arguments.extend(container.command.iter().cloned());
        run
    }

    fn flag(&mut self, flag: &str) {
        self.arguments.push(flag.to_owned());
    }

    fn option(&mut self, name: &str, value: &str) {
        self.flag(name);
        self.flag(value);
    }

    fn variable(&mut self, name: &str, value: &str) {
        if is_read_by_programs(name) {
            self.option("--env", &format!("{name}={value}"));
        } else {
            self.option("--env", name);
            self.environment.push((name.to_owned(), value.to_owned()));
        }
    }

    fn label(&mut self, name: &str, value: &str) {
        let label = format!("{name}={value}");
        // A line of a file cannot hold it. Passwords have one line.
        if value.contains(['\n', '\r']) {
            self.option("--label", &label);
        } else {
            self.input.push_str(&label);
            self.input.push('\n');
        }
    }
}

fn is_read_by_programs(name: &str) -> bool {
    READ_BY_PROGRAMS.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.to_uppercase().ends_with("_PROXY")
}

#[cfg(test)]
mod tests {
    use super::super::super::model::Publish;
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn container() -> NewContainer {
        NewContainer {
            name: "shop".to_owned(),
            image: "postgres:17".to_owned(),
            entrypoint: "sh".to_owned(),
            command: ["-c", "serve \"$@\"", "--all"].map(str::to_owned).to_vec(),
            environment: pairs(&[("PASSWORD", "hidden\nlines")]),
            labels: pairs(&[("user", "ada"), ("password", "hidden")]),
            publish: Some(Publish {
                port: 5432,
                address: "127.0.0.1".to_owned(),
            }),
            shared_memory: Some(1 << 30),
            tmpfs: vec!["/data".to_owned()],
            binds: vec!["/a:/b:ro".to_owned()],
            network: None,
            platform: Some("linux/amd64".to_owned()),
        }
    }

    #[test]
    fn all_of_a_container_is_said() {
        let run = Run::of(&container());
        assert_eq!(
            run.arguments.join(" "),
            "--detach --rm --pull never --name shop --entrypoint sh \
             --publish 127.0.0.1::5432/tcp --shm-size 1073741824b --tmpfs /data \
             --volume /a:/b:ro --platform linux/amd64 --env PASSWORD --label-file /dev/stdin \
             postgres:17 -c serve \"$@\" --all"
        );
        assert_eq!(run.input, "user=ada\npassword=hidden\n");
        assert_eq!(run.environment, pairs(&[("PASSWORD", "hidden\nlines")]));
    }

    #[test]
    fn secrets_are_no_arguments() {
        let run = Run::of(&container());
        let arguments = run.arguments.join(" ");
        assert!(!arguments.contains("hidden"), "{arguments}");
    }

    #[test]
    fn what_the_program_reads_itself_is_no_part_of_its_environment() {
        let environment = [
            ("PATH", "/bin"),
            ("DOCKER_HOST", "tcp://far"),
            ("https_proxy", "proxy"),
            ("CONTAINER_TEST_FILE_1", "settings"),
            ("PGDATA", "/data"),
        ];
        let run = Run::of(&NewContainer {
            environment: pairs(&environment),
            ..NewContainer::default()
        });
        let arguments = run.arguments.join(" ");
        for (name, value) in &environment[..3] {
            let argument = format!("--env {name}={value}");
            assert!(arguments.contains(&argument), "{arguments}");
        }
        assert_eq!(run.environment, pairs(&environment[3..]));
    }

    #[test]
    fn what_no_line_can_hold_is_an_argument() {
        let run = Run::of(&NewContainer {
            labels: pairs(&[("user", "a\nb=c")]),
            publish: Some(Publish {
                port: 80,
                address: "::1".to_owned(),
            }),
            ..NewContainer::default()
        });
        let arguments = run.arguments.join(" ");
        assert!(arguments.contains("--label user=a\nb=c"), "{arguments}");
        assert!(arguments.contains("--publish [::1]::80/tcp"), "{arguments}");
        assert_eq!(run.input, "");
    }
}
