//! `doctor`: which providers can be used, why not, and what to do; what this machine has for
//! servers, and what ended runs have left.

mod report;

use std::process::{Command, ExitCode, Stdio};

use container_test::__private::{Examined, Machine, examine, machine, running, running_tests};
use container_test::{Postgres, Redis, Result, Service};

use self::report::{json, text};
use crate::command::Doctor;
use crate::output::{say, say_json};
use crate::package::{Declared, Package};

/// What is found.
struct Found {
    /// The providers of each service.
    services: Vec<(&'static str, Vec<Examined>)>,
    machine: Machine,
    /// The client programs of this command, and what they say of their versions.
    clients: Vec<(&'static str, Option<String>)>,
    /// What failed tests have left to look at: the test, and what it had.
    retained: Vec<(String, String)>,
}

/// Prints what is found. It succeeds if each service has a provider that can be used.
pub(crate) async fn run(doctor: &Doctor) -> Result<ExitCode> {
    let services = match Package::find(doctor.of.manifest_path.as_deref()) {
        Ok(package) => {
            let both = ["postgres".to_owned(), "redis".to_owned()];
            package.services(&both)?
        }
        Err(error) if doctor.of.manifest_path.is_some() => return Err(error),
        // Without a package its defaults.
        Err(_) => vec![
            Declared::Postgres(Postgres::default()),
            Declared::Redis(Redis::default()),
        ],
    };
    let mut examined = Vec::new();
    let mut specs = Vec::new();
    for service in services {
        match service {
            Declared::Postgres(postgres) => {
                examined.push(("postgres", examine(&postgres).await?));
                specs.push(postgres.spec()?);
            }
            Declared::Redis(redis) => {
                examined.push(("redis", examine(&redis).await?));
                specs.push(redis.spec()?);
            }
        }
    }
    let found = Found {
        services: examined,
        machine: machine(specs).await?,
        clients: ["psql", "redis-cli"]
            .map(|name| (name, version(name)))
            .into(),
        retained: retained().await,
    };
    if doctor.json {
        say_json(&json(&found))?;
    } else {
        say(&text(&found))?;
    }
    let usable = |(_, found): &(&str, Vec<Examined>)| found.iter().any(|provider| provider.usable);
    Ok(if found.services.iter().all(usable) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns what a program in `PATH` says of its version; nothing if there is none.
fn version(program: &str) -> Option<String> {
    let said = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Returns what failed tests have left to look at. A server that does not say is left out.
async fn retained() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for server in running().await.unwrap_or_default() {
        let tests = running_tests(&server).await.unwrap_or_default();
        let retained = tests.into_iter().filter(|running| running.retained);
        all.extend(retained.map(|running| (running.test, running.slot)));
    }
    all
}
