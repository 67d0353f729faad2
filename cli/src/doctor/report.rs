//! What is found, for people and for programs.

use container_test::__private::Examined;
use serde_json::{Map, Value, json};

use super::Found;

/// Returns what is found for programs.
pub(super) fn json(found: &Found) -> Value {
    let machine = &found.machine;
    let services: Map<String, Value> = found
        .services
        .iter()
        .map(|(service, found)| ((*service).to_owned(), found.iter().map(provider).collect()))
        .collect();
    let images = machine.images.iter().map(
        |found| json!({ "service": found.service, "image": found.image, "present": found.present }),
    );
    let servers = machine.programs.iter().map(
        |found| json!({ "program": found.path.display().to_string(), "version": found.version }),
    );
    let clients = found.clients.iter();
    let clients = clients.map(|(name, version)| json!({ "program": name, "version": version }));
    let room = machine.room.iter().map(|room| {
        json!({
            "directory": room.directory.display().to_string(),
            "free_bytes": room.free,
            "needed_bytes": room.needed,
            "used": room.used,
        })
    });
    let left = machine.left.iter();
    let left = left.map(|left| json!({ "kind": left.kind, "name": left.name }));
    let retained = found.retained.iter();
    let retained = retained.map(|(test, slot)| json!({ "test": test, "slot": slot }));
    json!({
        "services": services,
        "engine": machine.engine.as_ref().ok().map(|engine| {
            json!({ "name": engine.name, "version": engine.version, "way": engine.way })
        }),
        "images": images.collect::<Value>(),
        "programs": servers.chain(clients).collect::<Value>(),
        "room": room.collect::<Value>(),
        "cache": {
            "directory": machine.cache.directory.display().to_string(),
            "size_bytes": machine.cache.size,
            "free_bytes": machine.cache.free,
        },
        "left": left.collect::<Value>(),
        "retained": retained.collect::<Value>(),
    })
}

fn provider(found: &Examined) -> Value {
    json!({
        "provider": found.provider,
        "usable": found.usable,
        "reason": found.reason,
        "fix": found.fix,
    })
}

/// Returns what is found for people.
pub(super) fn text(found: &Found) -> String {
    let mut lines = Vec::new();
    for (service, found) in &found.services {
        lines.push((*service).to_owned());
        let mut chosen = false;
        for Examined {
            provider,
            usable,
            reason,
            fix,
        } in found
        {
            let state = match usable {
                true if chosen => "usable",
                true => "usable, and used",
                false => "not usable",
            };
            chosen |= usable;
            lines.push(format!("  {provider}: {state}"));
            lines.push(format!("    why: {}", reason.replace('\n', "\n    ")));
            lines.extend(fix.as_ref().map(|fix| format!("    fix: {fix}")));
        }
    }
    lines.extend(machine(found));
    lines.push(String::new());
    lines.join("\n")
}

fn machine(found: &Found) -> Vec<String> {
    let machine = &found.machine;
    let mut lines = vec!["this machine".to_owned()];
    let mut line = |text: String| lines.push(format!("  {text}"));
    match &machine.engine {
        Ok(engine) => {
            let version = engine.version.as_deref().unwrap_or("of an unknown version");
            line(format!("engine: {} {version}, {}", engine.name, engine.way));
        }
        Err(report) => {
            let cause = report.lines().nth(1).unwrap_or(report).trim();
            line(format!("engine: none, {cause}"));
        }
    }
    for found in &machine.images {
        let state = if found.present {
            "present"
        } else {
            "not present; the first test pulls it"
        };
        line(format!("image {}: {state}", found.image));
    }
    for found in &machine.programs {
        let version = found.version.as_deref().unwrap_or("says no version");
        line(format!("program {}: {version}", found.path.display()));
    }
    for (name, version) in &found.clients {
        let missing = || format!("not in PATH; `cargo container-test {name}` runs it");
        line(format!(
            "program {name}: {}",
            version.clone().unwrap_or_else(missing)
        ));
    }
    for room in &machine.room {
        let directory = room.directory.display();
        let free = room.free.map_or("unknown room".to_owned(), free);
        let used = match room.used {
            true => "data of local servers are here",
            false if room.free.is_some_and(|free| free < room.needed) => "too little for data",
            false => "not used for data",
        };
        line(format!("room in {directory}: {free}, {used}"));
    }
    let cache = &machine.cache;
    line(format!(
        "cache {}: {}, {}",
        cache.directory.display(),
        size(cache.size),
        cache.free.map_or("unknown room".to_owned(), free)
    ));
    for left in &machine.left {
        line(format!(
            "left by an ended run: {} {}; the next start of a server removes it",
            left.kind, left.name
        ));
    }
    for (test, slot) in &found.retained {
        line(format!(
            "retained of the failed test {test}: {slot}; `cargo container-test down` removes it"
        ));
    }
    if machine.left.is_empty() && found.retained.is_empty() {
        line("left by ended runs: nothing".to_owned());
    }
    lines
}

fn free(bytes: u64) -> String {
    format!("{} free", size(bytes))
}

/// Returns a number of bytes in the largest unit that it has several of.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];
    let several = units.iter().find(|(_, shift)| bytes >> shift >= 2);
    let (unit, shift) = several.unwrap_or(&units[3]);
    format!("{} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests {
    use container_test::__private::{
        FoundCache, FoundEngine, FoundImage, FoundProgram, Left, Machine, Room,
    };

    use super::*;

    fn examined(provider: &'static str, usable: bool, fix: Option<&str>) -> Examined {
        Examined {
            provider,
            usable,
            reason: "line one\nline two".to_owned(),
            fix: fix.map(str::to_owned),
        }
    }

    fn found() -> Found {
        let image = |image: &str, present| FoundImage {
            service: "redis",
            image: image.to_owned(),
            present,
        };
        let room = |directory: &str, free, used| Room {
            directory: directory.into(),
            free,
            needed: 512 << 20,
            used,
        };
        let providers = vec![
            examined("external", false, Some("set a URL")),
            examined("docker", true, None),
            examined("local", true, None),
        ];
        Found {
            services: vec![("redis", providers)],
            machine: Machine {
                engine: Ok(FoundEngine {
                    name: "Docker Engine".to_owned(),
                    version: Some("26.1.5".to_owned()),
                    way: "through testcontainers".to_owned(),
                }),
                images: vec![image("redis:8", true), image("redis:9", false)],
                programs: vec![FoundProgram {
                    service: "redis",
                    path: "/bin/redis-server".into(),
                    version: Some("v=8".to_owned()),
                }],
                room: vec![
                    room("/dev/shm", Some(64 << 20), false),
                    room("/tmp", Some(78 << 30), true),
                ],
                cache: FoundCache {
                    directory: "/cache".into(),
                    size: 154 << 20,
                    free: None,
                },
                left: vec![Left {
                    kind: "directory",
                    name: "/tmp/container-test-a".to_owned(),
                }],
            },
            clients: vec![("psql", None)],
            retained: vec![("shop::buys".to_owned(), "ct_1".to_owned())],
        }
    }

    #[test]
    fn people_read_what_is_used_what_is_missing_and_what_is_left() {
        assert_eq!(
            text(&found()),
            "\
redis
  external: not usable
    why: line one
    line two
    fix: set a URL
  docker: usable, and used
    why: line one
    line two
  local: usable
    why: line one
    line two
this machine
  engine: Docker Engine 26.1.5, through testcontainers
  image redis:8: present
  image redis:9: not present; the first test pulls it
  program /bin/redis-server: v=8
  program psql: not in PATH; `cargo container-test psql` runs it
  room in /dev/shm: 64 MiB free, too little for data
  room in /tmp: 78 GiB free, data of local servers are here
  cache /cache: 154 MiB, unknown room
  left by an ended run: directory /tmp/container-test-a; the next start of a server removes it
  retained of the failed test shop::buys: ct_1; `cargo container-test down` removes it
"
        );
    }

    #[test]
    fn people_read_why_there_is_no_engine_and_that_nothing_is_left() {
        let mut found = found();
        found.machine.engine = Err("failed to reach\n  because: no answer".to_owned());
        found.machine.left.clear();
        found.retained.clear();
        let text = text(&found);
        assert!(
            text.contains("  engine: none, because: no answer\n"),
            "{text}"
        );
        assert!(text.ends_with("  left by ended runs: nothing\n"), "{text}");
    }

    #[test]
    fn programs_read_the_same() {
        let json = json(&found());
        assert_eq!(json["services"]["redis"][0]["fix"], "set a URL");
        assert_eq!(json["engine"]["version"], "26.1.5");
        assert_eq!(json["images"][1]["present"], false);
        assert_eq!(json["programs"][0]["program"], "/bin/redis-server");
        assert_eq!(json["programs"][1]["version"], Value::Null);
        assert_eq!(json["room"][0]["free_bytes"], 64 << 20);
        assert_eq!(json["cache"]["size_bytes"], 154 << 20);
        assert_eq!(json["left"][0]["kind"], "directory");
        assert_eq!(json["retained"][0]["slot"], "ct_1");
    }
}
