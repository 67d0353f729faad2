//! Data prepared once per image and settings: a server that starts from them is spared the image's
//! own initialisation, which takes longer than all else.
//!
//! The image's entrypoint prepares them itself, in a container of its own that starts after the
//! first server, and leaves an archive in the user's cache. The archive gets its name last, so one
//! that exists is complete. Servers from it share their password, which is cached beside it.

use super::engine::{Engine, Image, NewContainer, RunError};
use super::reach::Reach;
use super::{command, labels};
use crate::lifecycle::Cache;
use crate::provider::request::Request;
use crate::service::PreparedData;
use crate::{Error, Result, hash};

/// Where the archive is in a server's container, and the cache in the one that prepares.
const ARCHIVE: &str = "/container-test-data.tar";
const CACHE: &str = "/container-test-cache";

/// Seconds that a preparation may take.
const LIMIT: &str = "120";

/// Unpacks an archive: `sh -c UNPACK unpack ARCHIVE DATA MARK program…`. If that fails, the program
/// initialises its data as usual.
const UNPACK: &str = r#"
    if [ -f "$1" ] && mkdir -p "$2" && [ ! -e "$2/$3" ]; then
        tar -xpf "$1" -C "$2" || find "$2" -mindepth 1 -delete
    fi
    shift 3
    exec "$@""#;

/// Runs a program for so many seconds at most: `sh -c LIMITED limited SECONDS program…`. It is the
/// container's first process: when it ends, the kernel ends all others.
const LIMITED: &str = r#"
    seconds=$1
    shift
    "$@" &
    program=$!
    trap 'exit 1' TERM INT
    (sleep "$seconds"; kill -KILL "$program") &
    wait "$program""#;

/// Prepared data, or data that may be prepared.
#[derive(Debug)]
pub(super) struct Prepared {
    data: &'static PreparedData,
    /// Name of the archive in the cache, without its extension.
    name: String,
    cache: Cache,
    /// Directory of the data in the image.
    directory: String,
    pub(super) password: String,
}

impl Prepared {
    /// Returns the data of the image and settings; none where the engine does not see the files of
    /// this machine, or the service has none.
    pub(super) fn new(request: &Request, reach: &Reach, image: &Image) -> Option<Self> {
        let spec = &request.spec;
        let data = spec.container.prepared?;
        let cache = request.cache()?;
        // A colon would end the path in a bind.
        let visible = reach.direct && !cache.directory().to_str()?.contains(':');
        if !visible {
            return None;
        }
        let settings = format!(
            "{} {:?} {:?} {:?} {}",
            image.id,
            spec.env,
            spec.files,
            spec.container.env,
            data.identity(),
        );
        let name = format!("docker-{}", hash::digest(settings, 8));
        let password = format!("{name}.password");
        let password = match cache.read(&password) {
            Some(password) => password,
            None => cache.write_first(&password, &hash::random().ok()?).ok()?,
        };
        Some(Self {
            directory: directory(request, data, image),
            data,
            name,
            cache,
            password,
        })
    }

    fn archive(&self) -> String {
        format!("{}.tar", self.name)
    }

    /// Returns whether the data were prepared.
    pub(super) fn exists(&self) -> bool {
        self.cache.path(&self.archive()).is_file()
    }

    /// Returns what goes before the image's program.
    pub(super) fn unpack(&self) -> Vec<String> {
        let mark = self.data.mark;
        ["sh", "-c", UNPACK, "unpack", ARCHIVE, &self.directory, mark]
            .map(str::to_owned)
            .to_vec()
    }

    /// Returns the bind that puts the archive into the server's container.
    pub(super) fn bind(&self) -> String {
        let archive = self.cache.path(&self.archive());
        format!("{}:{ARCHIVE}:ro", archive.display())
    }

    /// Returns how the data are prepared; `None` if the image has nothing to run.
    pub(super) fn preparation(
        &self,
        engine: &Engine,
        request: &Request,
        image: &Image,
    ) -> Option<Preparation> {
        let spec = &request.spec;
        let placeholders = command::placeholders(spec, &self.password);
        let archive = format!("{CACHE}/{}", self.archive());
        let mut run = ["sh", "-c", LIMITED, "limited", LIMIT]
            .map(str::to_owned)
            .to_vec();
        run.extend(
            [
                "sh",
                "-c",
                self.data.pack,
                "pack",
                &archive,
                &self.directory,
            ]
            .map(str::to_owned),
        );
        run.extend(
            self.data
                .arguments
                .iter()
                .map(|&argument| argument.to_owned()),
        );
        run.push("--".to_owned());
        run.extend(command::program(spec, image, &placeholders).ok()?);
        let cache = self.cache.directory().display();
        let container = NewContainer {
            name: format!("container-test-prepare-{}", self.name),
            image: image.id.clone(),
            entrypoint: run.remove(0),
            command: run,
            environment: command::environment(spec, &placeholders, false),
            labels: vec![(labels::USER.to_owned(), request.user.clone())],
            network: Some("none".to_owned()),
            binds: vec![format!("{cache}:{CACHE}")],
            tmpfs: image.volumes.clone(),
            ..NewContainer::default()
        };
        Some(Preparation {
            engine: engine.clone(),
            container: Box::new(container),
        })
    }
}

/// Returns the directory of the data, where the server's environment or the image says it is.
fn directory(request: &Request, data: &PreparedData, image: &Image) -> String {
    let (variable, default) = data.directory;
    let spec = &request.spec;
    let mut given = spec.container.env.iter().chain(&spec.env).rev();
    if let Some((_, value)) = given.find(|(name, _)| name == variable) {
        return value.clone();
    }
    image
        .env
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == variable)
        .map_or(default, |(_, value)| value)
        .to_owned()
}

/// A container that prepares data.
#[derive(Debug)]
pub(super) struct Preparation {
    engine: Engine,
    container: Box<NewContainer>,
}

impl Preparation {
    /// Starts the container, unless another process prepares the same. From then on it needs no
    /// process of ours, and ends by itself. One that was created but not started is removed by the
    /// next start of a server.
    pub(super) async fn start(self) -> Result<()> {
        let started = self.engine.run(&self.container).await;
        started.map_err(|error| {
            let (RunError::NameTaken(cause) | RunError::Failed(cause)) = error;
            Error::new("prepare data").because(cause)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn limited(seconds: &str, script: &str) -> (Option<i32>, Duration) {
        let since = Instant::now();
        let status = Command::new("sh")
            .args(["-c", LIMITED, "limited", seconds, "sh", "-c", script])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        (status.code(), since.elapsed())
    }

    #[test]
    fn a_preparation_that_does_not_end_is_ended() {
        let (status, took) = limited("1", "exec sleep 20");
        assert_ne!(status, Some(0));
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn a_preparation_ends_with_its_program() {
        let (status, took) = limited("3", "exit 3");
        assert_eq!(status, Some(3));
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
}
