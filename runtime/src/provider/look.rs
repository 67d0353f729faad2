//! Looks at what a machine has for servers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::machine::{FoundCache, Machine};
use super::{docker, local};
use crate::Result;
use crate::config::Config;
use crate::lifecycle::{Cache, Owner, free};
use crate::service::ServerSpec;

/// Looks at the machine for the servers of these specs.
pub(super) async fn look(config: &Arc<Config>, specs: &[ServerSpec]) -> Result<Machine> {
    let mut left = local::left(config, specs)?;
    let (engine, images) = match docker::connect(config).await {
        Ok(engine) => {
            let (found, images, containers) = docker::look(&engine, config, specs).await;
            left.extend(containers);
            (Ok(found), images)
        }
        Err(error) => (Err(error.report()), Vec::new()),
    };
    let cache = Cache::open(config, &Owner::of_process(config)?)?;
    let directory = cache.directory().to_owned();
    Ok(Machine {
        engine,
        images,
        programs: local::programs(config, specs),
        room: local::room(config),
        cache: FoundCache {
            size: size(&directory),
            free: free(&directory),
            directory,
        },
        left,
    })
}

/// Returns the bytes of all files in a directory; links are not followed.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;
    use crate::service::LocalProgram;

    #[tokio::test]
    async fn a_machine_is_looked_at_without_an_engine() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let config = Config::with(&[
            ("CONTAINER_TEST_ENGINE", "no engine"),
            ("CONTAINER_TEST_CACHE_DIR", &path("cache")),
            ("CONTAINER_TEST_DATA_DIR", &path("data")),
            ("CONTAINER_TEST_NATS_BIN", "/bin"),
        ]);
        fs::create_dir_all(path("cache/archive")).unwrap();
        fs::write(path("cache/archive/data.tar"), "12345").unwrap();
        let mut spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        spec.local = Some(LocalProgram::new(&["sh"], "it is there"));
        let machine = look(&Arc::new(config), &[spec]).await.unwrap();
        let engine = machine.engine.unwrap_err();
        assert!(engine.contains("no way to an engine"), "{engine}");
        assert_eq!(machine.images, []);
        assert_eq!(machine.programs[0].path, Path::new("/bin/sh"));
        assert_eq!(machine.cache.size, 5);
        let [room] = &machine.room[..] else {
            panic!("{:?}", machine.room);
        };
        assert!(room.used && room.free.is_some(), "{room:?}");
        assert_eq!(machine.left, []);
    }
}
