//! Progress bars on the terminal.

use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar};

/// The bars of all pulls that run, below each other.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows a bar below the others.
pub(super) fn add(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// Writes to the terminal, above the bars.
pub(super) fn above(say: impl FnOnce()) {
    BARS.suspend(say);
}
