//! Images: their names, and what the engine knows of them.

use std::fs::File;
use std::sync::Arc;

use super::engine::{Engine, Image, identity};
use crate::config::Config;
use crate::lifecycle::{Cache, ELSEWHERE, Failures, Owner};
use crate::{Error, Result, hash};

/// Returns what the engine knows of an image; pulls the image, for a platform if one is given, if the
/// engine does not have it. One process at a time pulls it. What cannot be had is asked for once in a
/// run of tests.
pub(super) async fn inspect(
    engine: &Engine,
    image: &Reference,
    platform: Option<&str>,
    config: &Arc<Config>,
) -> Result<Image> {
    let descriptor = image.descriptor();
    if let Some(found) = engine.inspect_image(&descriptor).await? {
        return Ok(found);
    }
    let _alone = lock(config, &descriptor).await;
    if let Some(found) = engine.inspect_image(&descriptor).await? {
        return Ok(found);
    }
    let failures = Failures::new(config);
    let key = format!("pull {descriptor} {platform:?} {}", identity(config));
    if let Some(error) = failures.recall_in_run(&key) {
        return Err(error);
    }
    let pulled = engine.pull(&descriptor, platform).await;
    pulled.map_err(|error| {
        let error = unavailable(error);
        failures.remember_in_run(&key, ELSEWHERE, &error);
        error
    })?;
    engine.inspect_image(&descriptor).await?.ok_or_else(|| {
        Error::new(format!("inspect the image {descriptor}"))
            .because("it was pulled, and the engine does not have it")
    })
}

/// Waits until no other process pulls the image. Without a cache they pull it at the same time.
async fn lock(config: &Config, image: &str) -> Option<File> {
    let owner = Owner::of_process(config).ok()?;
    let cache = Cache::open(config, &owner).ok()?;
    let name = format!("pull-{}", hash::digest(image, 6));
    cache.lock_async(&name).await.ok()
}

/// Returns the error of an image that the engine could not pull.
fn unavailable(error: Error) -> Error {
    /// What engines say about a network or a registry that may answer soon.
    const PASSING: [&str; 6] = [
        "timeout",
        "timed out",
        "deadline exceeded",
        "toomanyrequests",
        "Too Many Requests",
        "try again",
    ];
    let report = error.report();
    let error = error.with_help(
        "check its name and tag, and that the registry can be reached; \
         TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX names a mirror of Docker Hub",
    );
    if PASSING.iter().any(|passing| report.contains(passing)) {
        error
    } else {
        error.lasting()
    }
}

/// An image's name and tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) tag: String,
}

impl Reference {
    /// Returns the image's name, with the prefix for Docker Hub if it comes from there, and tag.
    pub(super) fn new(image: &str, config: &Config) -> Self {
        let from_hub = image
            .split_once('/')
            .is_none_or(|(first, _)| !first.contains(['.', ':']) && first != "localhost");
        match config.image_prefix() {
            Some(prefix) if from_hub => {
                Self::parse(&format!("{}/{image}", prefix.trim_end_matches('/')))
            }
            _ => Self::parse(image),
        }
    }

    fn parse(image: &str) -> Self {
        let name_starts = image.rfind('/').map_or(0, |slash| slash + 1);
        match image[name_starts..].rfind(':') {
            Some(colon) => Self {
                name: image[..name_starts + colon].to_owned(),
                tag: image[name_starts + colon + 1..].to_owned(),
            },
            None => Self {
                name: image.to_owned(),
                tag: "latest".to_owned(),
            },
        }
    }

    /// Returns the name and tag in one word.
    pub(super) fn descriptor(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_are_split_at_the_tag() {
        let split = |image| {
            let Reference { name, tag } = Reference::parse(image);
            (name, tag)
        };
        let pair = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        assert_eq!(split("nats:2-alpine"), pair("nats", "2-alpine"));
        assert_eq!(split("nats"), pair("nats", "latest"));
        assert_eq!(
            split("mirror.example:5000/pg"),
            pair("mirror.example:5000/pg", "latest")
        );
        assert_eq!(
            split("mirror.example:5000/a/pg:1"),
            pair("mirror.example:5000/a/pg", "1")
        );
    }

    #[test]
    fn an_image_that_a_registry_does_not_give_is_not_pulled_again() {
        let refused = |cause: &str| unavailable(Error::new("pull the image").because(cause));
        for lasting in [
            "manifest for postgres:none not found",
            "pull access denied for postgrs, repository does not exist",
            "dial tcp 127.0.0.1:1: connect: connection refused",
        ] {
            assert!(refused(lasting).is_lasting(), "{lasting}");
        }
        for passing in [
            "net/http: request canceled (Client.Timeout exceeded): timeout",
            "dial tcp: lookup registry: i/o timeout",
            "toomanyrequests: You have reached your pull rate limit",
        ] {
            assert!(!refused(passing).is_lasting(), "{passing}");
        }
    }

    #[test]
    fn images_from_docker_hub_get_the_prefix() {
        let config = Config::with(&[(
            "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX",
            "mirror.example/hub/",
        )]);
        for (image, full) in [
            ("nats:2-alpine", "mirror.example/hub/nats:2-alpine"),
            ("timescale/tsdb:1", "mirror.example/hub/timescale/tsdb:1"),
            ("quay.io/nats:2", "quay.io/nats:2"),
            ("localhost/nats:2", "localhost/nats:2"),
            ("127.0.0.1:5000/nats:2", "127.0.0.1:5000/nats:2"),
        ] {
            assert_eq!(Reference::new(image, &config).descriptor(), full);
        }
    }
}
