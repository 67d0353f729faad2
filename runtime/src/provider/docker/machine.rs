//! What the engine has for servers, and what ended processes have left on it.

use super::engine::Engine;
use super::image::Reference;
use super::sweep;
use crate::config::Config;
use crate::provider::machine::{FoundEngine, FoundImage, Left};
use crate::service::ServerSpec;

/// Returns the engine, the images of the specs on it, and the containers that are left.
pub(in crate::provider) async fn look(
    engine: &Engine,
    config: &Config,
    specs: &[ServerSpec],
) -> (FoundEngine, Vec<FoundImage>, Vec<Left>) {
    let version = engine.version().await;
    let (name, version) = match version {
        Some(version) => (version.name, Some(version.version)),
        None => (engine.way().name().to_owned(), None),
    };
    let engine_found = FoundEngine {
        name,
        version,
        way: engine.way().description(),
    };
    let mut images = Vec::new();
    for spec in specs {
        let image = Reference::new(&spec.image, config).descriptor();
        images.push(FoundImage {
            service: spec.service,
            present: matches!(engine.inspect_image(&image).await, Ok(Some(_))),
            image,
        });
    }
    let left = sweep::left(engine).await.into_iter().map(|container| Left {
        kind: "container",
        name: container.id[..container.id.len().min(12)].to_owned(),
    });
    (engine_found, images, left.collect())
}
