//! Which images have no shell: found out by an attempt, and remembered in the user's cache.

use testcontainers::bollard::models::ImageInspect;

use crate::hash;
use crate::lifecycle::Cache;

/// Returns whether an attempt to run a shell in the image has failed before.
pub(super) fn is_missing(cache: Option<&Cache>, image: &ImageInspect) -> bool {
    cache
        .zip(file(image))
        .and_then(|(cache, file)| cache.read(&file))
        .is_some()
}

/// Spares the next start of the image the attempt.
pub(super) fn remember_missing(cache: Option<&Cache>, image: &ImageInspect) {
    if let Some((cache, file)) = cache.zip(file(image)) {
        // Without it, the next start makes the attempt again.
        let _ = cache.write(&file, "");
    }
}

fn file(image: &ImageInspect) -> Option<String> {
    let id = image.id.as_deref()?;
    Some(format!("no-shell-{}", hash::digest(id, 8)))
}
