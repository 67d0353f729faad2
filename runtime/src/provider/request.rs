//! One request for a server, and the name that the server has.

use std::hash::{DefaultHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::lifecycle::{Cache, Owner, user_name, watchdog};
use crate::service::ServerSpec;
use crate::{Error, Result, hash};

/// Raised whenever servers of different versions of this crate cannot be shared.
const PROTOCOL: u32 = 1;

/// How long an exclusive server stays after its test.
pub(super) const EXCLUSIVE_IDLE: Duration = Duration::from_secs(2);

/// Names in a server's directory that settings files cannot have.
const TAKEN: [&str; 4] = ["data", "endpoint", "log", "watchdog"];

/// A server that a test needs.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) spec: ServerSpec,
    /// The name that every process derives for this server. The engine accepts a name once, which
    /// decides what process creates the server.
    pub(super) name: String,
    /// How long the server stays without a connection.
    pub(super) idle: Duration,
    /// The user whose server it is.
    pub(super) user: String,
    pub(super) config: Arc<Config>,
}

impl Request {
    /// Returns the request for a server. That for an exclusive server has a new name every time.
    pub(super) fn new(spec: &ServerSpec, config: &Arc<Config>) -> Result<Self> {
        check_files(spec)?;
        let (idle, salt) = if spec.exclusive && config.retain_failed() {
            // People want to look at what a failed test had.
            (config.idle()?, hash::random()?)
        } else if spec.exclusive {
            (EXCLUSIVE_IDLE, hash::random()?)
        } else {
            (config.idle()?, String::new())
        };
        let user = user_name(config);
        Ok(Self {
            name: server_name(spec, &user, container(config), idle, &salt),
            spec: spec.clone(),
            idle,
            user,
            config: Arc::clone(config),
        })
    }

    /// Returns the user's cache, if there is one.
    pub(super) fn cache(&self) -> Option<Cache> {
        let owner = Owner::of_process(&self.config).ok()?;
        Cache::open(&self.config, &owner).ok()
    }
}

/// Returns the name of the container that this process runs in: it shares no server with the
/// machine or with other containers, since each reaches the engine's ports in its own way.
pub(super) fn container(config: &Config) -> &str {
    if config.in_container {
        &config.hostname
    } else {
        ""
    }
}

fn server_name(
    spec: &ServerSpec,
    user: &str,
    container: &str,
    idle: Duration,
    salt: &str,
) -> String {
    let mut identity = DefaultHasher::new();
    (PROTOCOL, watchdog::SCRIPT).hash(&mut identity);
    (user, container, idle.as_secs(), salt).hash(&mut identity);
    (&spec.image, spec.port, spec.stop_signal).hash(&mut identity);
    (&spec.args, &spec.env, &spec.files).hash(&mut identity);
    (&spec.container.env, &spec.container.remote_env).hash(&mut identity);
    (&spec.container.entrypoint, &spec.container.command).hash(&mut identity);
    let local = spec.local.as_ref().map(|local| &local.args);
    (spec.container.prepared, local).hash(&mut identity);
    format!("container-test-{}-{}", spec.service, hash::short(&identity))
}

/// Refuses settings files that would not lie in the server's directory, or replace what is there.
fn check_files(spec: &ServerSpec) -> Result<()> {
    for (name, _) in &spec.files {
        let usable = !name.is_empty()
            && !name.starts_with('.')
            && !name.contains(['/', '\0'])
            && !TAKEN.contains(&name.as_str());
        if !usable {
            return Err(Error::new(format!("give {} its settings", spec.service))
                .because(format!("`{name}` cannot be the name of a settings file"))
                .with_help(format!(
                    "use a name without `/` that does not begin with a dot, other than {}",
                    TAKEN.map(|name| format!("`{name}`")).join(", ")
                )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    fn spec() -> ServerSpec {
        ServerSpec::new("nats", "nats:2-alpine", 4222)
    }

    fn name(spec: &ServerSpec, config: &Config) -> String {
        Request::new(spec, &Arc::new(config.clone())).unwrap().name
    }

    #[test]
    fn what_makes_a_difference_is_in_the_name() {
        let config = Config::with(&[("USER", "ada")]);
        let pair = || vec![("A".to_owned(), "1".to_owned())];
        let changes: [fn(&mut ServerSpec); 8] = [
            |_| {},
            |spec| spec.image = "nats:3-alpine".to_owned(),
            |spec| spec.port = 4223,
            |spec| spec.args = vec!["A".to_owned(), "1".to_owned()],
            |spec| spec.args = vec!["A1".to_owned()],
            |spec| spec.stop_signal = "INT",
            |spec| spec.container.command = Some(Vec::new()),
            |spec| spec.container.entrypoint = Some(Vec::new()),
        ];
        let mut specs: Vec<ServerSpec> = changes
            .iter()
            .map(|change| {
                let mut spec = spec();
                change(&mut spec);
                spec
            })
            .collect();
        let with = |change: &dyn Fn(&mut ServerSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec
        };
        specs.push(with(&|spec| spec.env = pair()));
        specs.push(with(&|spec| spec.files = pair()));
        specs.push(with(&|spec| spec.container.env = pair()));
        let mut names: Vec<String> = specs.iter().map(|spec| name(spec, &config)).collect();
        assert_eq!(names[0], name(&spec(), &config));
        assert!(names[0].starts_with("container-test-nats-"), "{}", names[0]);
        names.push(name(&spec(), &Config::with(&[("USER", "grace")])));
        names.push(name(
            &spec(),
            &Config::with(&[("USER", "ada"), ("CONTAINER_TEST_IDLE", "3")]),
        ));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:#?}");
    }

    #[test]
    fn containers_and_the_machine_share_no_server() {
        let on = |in_container, hostname: &str| {
            let mut config = Config::with(&[("USER", "ada")]);
            config.in_container = in_container;
            config.hostname = hostname.to_owned();
            config
        };
        let machine = name(&spec(), &on(false, "machine"));
        assert_eq!(name(&spec(), &on(false, "renamed")), machine);
        let one = name(&spec(), &on(true, "0123456789ab"));
        assert_ne!(one, machine);
        assert_ne!(name(&spec(), &on(true, "ba9876543210")), one);
        assert_eq!(name(&spec(), &on(true, "0123456789ab")), one);
    }

    #[test]
    fn an_exclusive_server_has_a_new_name_every_time() {
        let config = Config::with(&[("USER", "ada")]);
        let spec = ServerSpec {
            exclusive: true,
            ..spec()
        };
        assert_ne!(name(&spec, &config), name(&spec, &config));
    }

    #[test]
    fn settings_files_stay_in_the_servers_directory() {
        let with = |file: &str| ServerSpec {
            files: vec![(file.to_owned(), String::new())],
            ..spec()
        };
        check_files(&with("nats.conf")).unwrap();
        for file in ["", "../nats.conf", "/etc/passwd", ".profile", "log"] {
            let report = check_files(&with(file)).unwrap_err().report();
            assert!(report.contains(&format!("`{file}`")), "{report}");
        }
    }
}
