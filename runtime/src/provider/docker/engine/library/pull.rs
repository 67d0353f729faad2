//! Pulls images, and shows how far that has come.

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::CreateImageInfo;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use crate::provider::docker::engine::chain::chain;
use crate::report::Pull;

/// What registries and engines say about an image that testcontainers can get all the same: with
/// the user's credentials, or for another platform.
const NOT_LIKE_THIS: [&str; 6] = [
    "denied",
    "unauthorized",
    "authentication",
    "credentials",
    "toomanyrequests",
    "no matching manifest",
];

/// Pulls an image, for a platform if one is given; an error is what the engine says.
pub(super) async fn pull(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
) -> Result<(), String> {
    let shown = show(docker, image, platform).await;
    let Err(error) = shown else {
        return Ok(());
    };
    if !NOT_LIKE_THIS.iter().any(|words| error.contains(words)) {
        return Err(error);
    }
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let mut request = ContainerRequest::from(GenericImage::new(name, tag));
    if let Some(platform) = platform {
        request = request.with_platform(platform);
    }
    let pulled = request.pull_image().await;
    pulled.map(drop).map_err(|error| chain(&error))
}

/// Pulls an image without credentials, which is the way that shows what the engine does.
async fn show(docker: &Docker, image: &str, platform: Option<&str>) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::new()
        .from_image(image)
        .platform(platform.unwrap_or_default())
        .build();
    let mut pull = Pull::of(image);
    let mut steps = docker.create_image(Some(options), None, None);
    while let Some(step) = steps.next().await {
        let step = step.map_err(|error: EngineError| chain(&error))?;
        if let Some((layer, current, total)) = downloaded(&step) {
            pull.layer(layer, current, total);
        }
    }
    Ok(())
}

/// Returns how many bytes of a layer are there, and how many it has, if a step says so.
fn downloaded(step: &CreateImageInfo) -> Option<(&str, u64, u64)> {
    if step.status.as_deref() != Some("Downloading") {
        return None;
    }
    let bytes = step.progress_detail.as_ref()?;
    let number = |bytes: Option<i64>| u64::try_from(bytes?).ok();
    Some((
        step.id.as_deref()?,
        number(bytes.current)?,
        number(bytes.total)?,
    ))
}

#[cfg(test)]
mod tests {
    use testcontainers::bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn a_layer_is_counted_while_it_is_downloaded() {
        let step = |status: &str| CreateImageInfo {
            id: Some("a1".to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(3),
                total: Some(7),
            }),
            ..CreateImageInfo::default()
        };
        assert_eq!(downloaded(&step("Downloading")), Some(("a1", 3, 7)));
        assert_eq!(downloaded(&step("Extracting")), None);
        assert_eq!(downloaded(&CreateImageInfo::default()), None);
    }
}
