//! The Docker engine: what it created, and for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// The label that says whose container it is.
const USER_LABEL: &str = "container-test.user";
/// The label that says which service runs in it.
const SERVICE_LABEL: &str = "container-test.service";

/// An engine whose events are recorded from now on.
#[derive(Debug)]
pub struct Engine {
    events: Arc<Mutex<Vec<Event>>>,
    source: Child,
}

/// What the engine did, to which container.
#[derive(Clone, Debug)]
struct Event {
    action: String,
    container: String,
    /// Set for the events of a container of ours.
    user: Option<String>,
    service: Option<String>,
    /// Set for the events of a volume.
    volume: Option<String>,
}

impl Engine {
    /// Connects to the engine that `docker` talks to; fails the test if there is none.
    #[must_use]
    pub fn connect() -> Self {
        let version = docker(&["version", "--format", "{{.Server.Version}}"]);
        assert!(
            version.is_ok(),
            "this suite needs a Docker engine that `docker version` reaches: {}",
            version.unwrap_or_else(|error| error)
        );
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        let mut source = Command::new("docker")
            .args(["events", "--format", "{{json .}}", "--since"])
            .arg(now.as_secs().to_string())
            .args(["--filter", "type=container", "--filter", "type=volume"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`docker events` starts");
        let lines = BufReader::new(source.stdout.take().expect("a pipe")).lines();
        let events = Arc::default();
        let record = Arc::clone(&events);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                lock(&record).extend(Event::parse(&line));
            }
        });
        Self { events, source }
    }

    /// How many containers were created for the user, per service.
    #[must_use]
    pub fn created(&self, user: &str) -> BTreeMap<String, usize> {
        let mut created = BTreeMap::new();
        for event in lock(&self.events).iter() {
            if event.action == "create" && event.is_of(user) {
                *created
                    .entry(event.service.clone().unwrap_or_default())
                    .or_default() += 1;
            }
        }
        created
    }

    /// Whether it did this to a container of the user. Some actions have a command after a colon.
    #[must_use]
    pub fn has_happened(&self, user: &str, action: &str) -> bool {
        lock(&self.events)
            .iter()
            .any(|event| event.action.split(':').next() == Some(action) && event.is_of(user))
    }

    /// Whether a container of the user that prepares data was started.
    pub(crate) fn has_prepared(&self, user: &str) -> bool {
        lock(&self.events)
            .iter()
            .any(|event| event.action == "start" && event.is_of(user) && event.service.is_none())
    }

    /// The containers that were created for the user, whether they still exist or not.
    #[must_use]
    pub fn containers(&self, user: &str) -> BTreeSet<String> {
        let events = lock(&self.events);
        events
            .iter()
            .filter(|event| event.is_of(user))
            .map(|event| event.container.clone())
            .collect()
    }

    /// The user's containers and their volumes that exist now, for people. A container that prepares
    /// data and was never started does not count: a process that is killed between its creation and
    /// its start leaves it, as README's limits say, and the next start removes it.
    #[must_use]
    pub fn left(&self, user: &str) -> Vec<String> {
        let label = format!("label={USER_LABEL}={user}");
        let format = "container {{.Names}}: {{.Image}}, {{.Status}}";
        let containers = docker(&["ps", "--all", "--filter", &label, "--format", format]);
        let mut left: Vec<String> = containers
            .expect("`docker ps` answers")
            .lines()
            .filter(|line| {
                !(line.contains(" container-test-prepare-") && line.ends_with(", Created"))
            })
            .map(str::to_owned)
            .collect();
        let ours = self.containers(user);
        let events = lock(&self.events);
        let mounted: BTreeSet<&str> = events
            .iter()
            .filter(|event| ours.contains(&event.container))
            .filter_map(|event| event.volume.as_deref())
            .collect();
        if !mounted.is_empty() {
            let volumes = docker(&["volume", "ls", "--quiet"]).expect("`docker volume ls` answers");
            let existing = volumes.lines().filter(|volume| mounted.contains(volume));
            left.extend(existing.map(|volume| format!("volume {volume}")));
        }
        left
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.source.kill();
        let _ = self.source.wait();
    }
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(line).ok()?;
        let id = event["Actor"]["ID"].as_str()?;
        let attribute = |name: &str| {
            event["Actor"]["Attributes"][name]
                .as_str()
                .map(str::to_owned)
        };
        let of_volume = event["Type"] == "volume";
        Some(Self {
            action: event["Action"].as_str()?.to_owned(),
            container: if of_volume {
                attribute("container")?
            } else {
                id.to_owned()
            },
            user: attribute(USER_LABEL),
            service: attribute(SERVICE_LABEL),
            volume: of_volume.then(|| id.to_owned()),
        })
    }

    fn is_of(&self, user: &str) -> bool {
        self.user.as_deref() == Some(user)
    }
}

/// Removes the user's containers whose names begin so, by force; tells how many there were.
pub(crate) fn remove(user: &str, name: &str) -> usize {
    let (label, name) = (
        format!("label={USER_LABEL}={user}"),
        format!("name=^/?{name}"),
    );
    let found = docker(&["ps", "--quiet", "--filter", &label, "--filter", &name]);
    let found = found.expect("`docker ps` answers");
    let removed = found.lines().filter(|id| {
        let removed = docker(&["rm", "--force", "--volumes", id]);
        // One that ends by itself is removed by the engine.
        removed.is_ok()
    });
    removed.count()
}

/// Starts the user's containers again, which ends what they run.
pub(crate) fn restart(user: &str) {
    let label = format!("label={USER_LABEL}={user}");
    let found = docker(&["ps", "--quiet", "--filter", &label]).expect("`docker ps` answers");
    for id in found.lines() {
        // One that the engine removes meanwhile has ended as well.
        let _ = docker(&["restart", "--time", "0", id]);
    }
}

fn lock(events: &Mutex<Vec<Event>>) -> std::sync::MutexGuard<'_, Vec<Event>> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the command says on its output, or what it complains about.
fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}
