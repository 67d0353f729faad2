//! Volumes in memory.

use std::collections::HashMap;

/// Returns an image's volumes as file systems in memory.
pub(super) fn in_memory(volumes: &[String]) -> HashMap<String, String> {
    volumes
        .iter()
        .map(|path| (path.clone(), String::new()))
        .collect()
}
