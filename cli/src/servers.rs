//! `ps`, `logs` and `down`: the servers that run, and what tests have of them.

use std::process::ExitCode;
use std::time::Duration;

use container_test::__private::{RunningServer, RunningTest, running, running_tests};
use container_test::{Error, Result};
use serde_json::{Value, json};

use crate::command::{Down, Logs, Ps};
use crate::output::{say, say_json};

/// Lists the servers.
pub(crate) async fn ps(ps: &Ps) -> Result<ExitCode> {
    let mut all = Vec::new();
    for server in running().await? {
        // A server may end while it is asked.
        let tests = running_tests(&server).await.map_err(|error| error.report());
        all.push((server, tests));
    }
    if ps.json {
        let all = all.iter().map(|(server, tests)| json(server, tests));
        say_json(&json!({ "servers": all.collect::<Value>() }))?;
    } else if all.is_empty() {
        say("no server of tests runs\n")?;
    } else {
        for (server, tests) in &all {
            say(&text(server, tests))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the last lines of the servers' logs.
pub(crate) async fn logs(logs: &Logs) -> Result<ExitCode> {
    let servers = chosen(&logs.services).await?;
    if logs.json {
        let mut all = Vec::new();
        for server in &servers {
            let log = server.log_tail(logs.lines).await;
            let log: Vec<&str> = log.trim_end().lines().collect();
            all.push(with(described(server), json!({ "log": log })));
        }
        say_json(&json!({ "servers": all }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for server in &servers {
        if servers.len() > 1 {
            say(&format!("==> {}\n", title(server)))?;
        }
        let log = server.log_tail(logs.lines).await;
        say(&format!("{}\n", log.trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the servers.
pub(crate) async fn down(down: &Down) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut all = Vec::new();
    for server in chosen(&down.services).await? {
        let ended = server.end().await.map_err(|error| error.report());
        if ended.is_err() {
            code = ExitCode::FAILURE;
        }
        if down.json {
            let (ended, error) = (matches!(ended, Ok(true)), ended.err());
            let outcome = json!({ "ended": ended, "error": error });
            all.push(with(described(&server), outcome));
            continue;
        }
        let title = title(&server);
        match ended {
            Ok(true) => say(&format!("ended {title}\n"))?,
            Ok(false) => say(&format!("left {title}, which is given by a URL\n"))?,
            Err(report) => eprintln!("error: {report}"),
        }
    }
    if down.json {
        say_json(&json!({ "servers": all }))?;
    }
    Ok(code)
}

/// Returns the servers of these services, or all.
async fn chosen(services: &[String]) -> Result<Vec<RunningServer>> {
    let mut servers = running().await?;
    if !services.is_empty() {
        servers.retain(|server| services.contains(&server.service));
    }
    if servers.is_empty() {
        eprintln!("no server of tests runs");
    }
    Ok(servers)
}

/// Returns what a test has of a service: one that runs, or is retained.
pub(crate) async fn of_test(service: &str, test: &str) -> Result<RunningTest> {
    let step = || Error::new(format!("find what {test} has of {service}"));
    let mut all = Vec::new();
    for server in running().await? {
        if server.service == service {
            all.extend(running_tests(&server).await?);
        }
    }
    let found = matching(&all, test);
    match found[..] {
        [one] => Ok(one.clone()),
        [] if all.is_empty() => Err(step()
            .because("no test that runs or is retained has any")
            .with_help(
                "run the test with CONTAINER_TEST_KEEP=1: if it fails, what it had is retained for \
                 as long as the server runs: for the time CONTAINER_TEST_IDLE, `10s` by itself, after \
                 the last connection",
            )),
        [] => Err(step()
            .because("no test of this name has any now")
            .with_help(format!(
                "these have: {}",
                names(&all.iter().collect::<Vec<_>>())
            ))),
        _ => Err(step()
            .because("several tests have this in their names, or one has several")
            .with_help(format!(
                "name one, or take its URL from `ps --json`: {}",
                names(&found)
            ))),
    }
}

/// Returns the tests of this name; if there are none, those that have it in their name.
fn matching<'a>(all: &'a [RunningTest], name: &str) -> Vec<&'a RunningTest> {
    let last = format!("::{name}");
    let named: Vec<_> = all
        .iter()
        .filter(|running| running.test == name || running.test.ends_with(&last))
        .collect();
    if named.is_empty() {
        all.iter()
            .filter(|running| running.test.contains(name))
            .collect()
    } else {
        named
    }
}

fn names(tests: &[&RunningTest]) -> String {
    let names: Vec<_> = tests.iter().map(|running| running.test.as_str()).collect();
    names.join(", ")
}

fn title(server: &RunningServer) -> String {
    let RunningServer {
        service,
        provider,
        name,
        ..
    } = server;
    let kind = match *provider {
        "docker" => "container",
        "local" => "local server in",
        _ => "server",
    };
    format!("{service}: {kind} {name}")
}

fn text(server: &RunningServer, tests: &Result<Vec<RunningTest>, String>) -> String {
    let age = server.age.map(|age| format!(", for {}", rounded(age)));
    let mut lines = vec![format!("{}{}", title(server), age.unwrap_or_default())];
    match tests {
        Ok(tests) if tests.is_empty() => lines.push("  no test".to_owned()),
        Ok(tests) => lines.extend(tests.iter().map(|running| {
            let state = if running.retained {
                "retained"
            } else {
                "running"
            };
            format!("  {state}  {}: {}", running.test, running.slot)
        })),
        Err(report) => lines.push(format!("  {}", report.replace('\n', "\n  "))),
    }
    lines.push(String::new());
    lines.join("\n")
}

fn json(server: &RunningServer, tests: &Result<Vec<RunningTest>, String>) -> Value {
    let (tests, error) = match tests {
        Ok(tests) => (tests.as_slice(), None),
        Err(report) => (&[][..], Some(report)),
    };
    let tests: Value = tests.iter().map(test_json).collect();
    with(described(server), json!({ "tests": tests, "error": error }))
}

/// Returns what a test has, for programs.
pub(crate) fn test_json(running: &RunningTest) -> Value {
    json!({
        "test": running.test,
        "slot": running.slot,
        "url": running.url,
        "retained": running.retained,
    })
}

/// Returns what programs know a server by.
fn described(server: &RunningServer) -> Value {
    json!({
        "service": server.service,
        "provider": server.provider,
        "name": server.name,
        "age_seconds": server.age.map(|age| age.as_secs()),
    })
}

/// Returns an object with the entries of another one as well.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

/// Returns a duration in its largest unit.
fn rounded(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(names: &[&str]) -> Vec<RunningTest> {
        let test = |name: &&str| RunningTest {
            test: (*name).to_owned(),
            slot: "a database".to_owned(),
            url: String::new(),
            retained: false,
        };
        names.iter().map(test).collect()
    }

    #[test]
    fn a_test_is_found_by_its_name_or_a_part_of_it() {
        let all = tests(&["sign_up", "users::sign_up_twice", "orders::sign_up"]);
        for (name, expected) in [
            ("users::sign_up_twice", &["users::sign_up_twice"][..]),
            ("sign_up", &["sign_up", "orders::sign_up"]),
            ("orders", &["orders::sign_up"]),
            ("twice", &["users::sign_up_twice"]),
            ("payments", &[]),
        ] {
            let found: Vec<_> = matching(&all, name)
                .iter()
                .map(|test| test.test.as_str())
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        for (seconds, expected) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h")] {
            assert_eq!(rounded(Duration::from_secs(seconds)), expected);
        }
    }
}
