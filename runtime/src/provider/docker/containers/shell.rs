//! Which images have no shell: found out by an attempt, and noted in the user's cache.

use crate::hash;
use crate::lifecycle::Cache;
use crate::provider::docker::engine::Image;

/// Returns whether an attempt to run a shell in the image has failed before.
pub(super) fn is_missing(cache: Option<&Cache>, image: &Image) -> bool {
    cache.and_then(|cache| cache.read(&file(image))).is_some()
}

/// Spares the next start of the image the attempt.
pub(super) fn remember_missing(cache: Option<&Cache>, image: &Image) {
    if let Some(cache) = cache {
        // Without it, the next start makes the attempt again.
        let _ = cache.write(&file(image), "");
    }
}

fn file(image: &Image) -> String {
    format!("no-shell-{}", hash::digest(&image.id, 8))
}
