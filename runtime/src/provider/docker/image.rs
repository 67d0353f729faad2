//! Images: their names, and what they run.

use testcontainers::GenericImage;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::ImageInspect;
use testcontainers::runners::AsyncRunner;

use super::create::chain;
use crate::{Error, Result, config, report};

/// What the engine knows of the image; pulls the image if it is not there.
pub(super) async fn inspect(engine: &Docker, image: &Reference) -> Result<ImageInspect> {
    let descriptor = image.descriptor();
    let mut inspected = engine.inspect_image(&descriptor).await;
    if let Err(EngineError::DockerResponseServerError {
        status_code: 404, ..
    }) = inspected
    {
        report::progress(&format!("pulling the image {descriptor}"));
        let _pulled = GenericImage::new(&image.name, &image.tag)
            .pull_image()
            .await
            .map_err(|error| {
                Error::new(format!("pull the image {descriptor}"))
                    .because(chain(&error))
                    .with_help(
                        "check its name and tag, and that the registry can be reached; \
                 TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX names a mirror of Docker Hub",
                    )
            })?;
        inspected = engine.inspect_image(&descriptor).await;
    }
    inspected.map_err(|error| Error::new(format!("inspect the image {descriptor}")).because(error))
}

/// An image's name and tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) tag: String,
}

impl Reference {
    pub(super) fn parse(image: &str) -> Self {
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

    fn descriptor(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

/// The image's name with the prefix for Docker Hub, if it comes from there.
pub(super) fn full_name(image: &str) -> String {
    let from_hub = image
        .split_once('/')
        .is_none_or(|(first, _)| !first.contains(['.', ':']) && first != "localhost");
    match config::image_prefix() {
        Some(prefix) if from_hub => format!("{}/{image}", prefix.trim_end_matches('/')),
        _ => image.to_owned(),
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
        assert_eq!(split("postgres:17-alpine"), pair("postgres", "17-alpine"));
        assert_eq!(split("postgres"), pair("postgres", "latest"));
        assert_eq!(
            split("mirror.example:5000/pg"),
            pair("mirror.example:5000/pg", "latest")
        );
        assert_eq!(
            split("mirror.example:5000/a/pg:1"),
            pair("mirror.example:5000/a/pg", "1")
        );
    }
}
