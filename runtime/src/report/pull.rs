//! The progress of an image's pull: a bar on a terminal, a line every few seconds elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{bars, progress};

/// The time between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// A pull that runs.
#[derive(Debug)]
pub(crate) struct Pull {
    image: String,
    /// Bytes that are there, and bytes in all, of each layer.
    layers: HashMap<String, (u64, u64)>,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Pull {
    /// Notes that the image is pulled.
    pub(crate) fn of(image: &str) -> Self {
        progress(&format!("pulling the image {image}"));
        let bar = std::io::stderr().is_terminal().then(|| bar(image));
        Self {
            image: image.to_owned(),
            layers: HashMap::new(),
            said: Instant::now(),
            bar,
        }
    }

    /// Shows how much of a layer is there, in bytes.
    pub(crate) fn layer(&mut self, layer: &str, current: u64, total: u64) {
        self.layers.insert(layer.to_owned(), (current, total));
        if let Some(bar) = &self.bar {
            let (current, total) = self.bytes();
            bar.set_length(total);
            bar.set_position(current);
            bar.set_prefix(self.layers_done());
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            progress(&self.line());
        }
    }

    fn bytes(&self) -> (u64, u64) {
        let layers = self.layers.values();
        layers.fold((0, 0), |sum, (current, total)| {
            (sum.0 + current, sum.1 + total)
        })
    }

    fn layers_done(&self) -> String {
        let layers = self.layers.values();
        let done = layers.filter(|(current, total)| current == total).count();
        format!("{done} of {} layers", self.layers.len())
    }

    fn line(&self) -> String {
        let (current, total) = self.bytes();
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        format!(
            "pulling the image {}: {} of {} MB, {}",
            self.image,
            megabytes(current),
            megabytes(total),
            self.layers_done()
        )
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(image: &str) -> ProgressBar {
    let bar = bars::add(ProgressBar::new(0).with_message(image.to_owned()));
    let template = "{msg} [{bar:30}] {decimal_bytes} of {decimal_total_bytes}, {prefix}, \
                    {decimal_bytes_per_sec}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_a_pull_are_summed_up() {
        let mut pull = Pull::of("postgres:17-alpine");
        pull.layer("a", 1_000_000, 40_000_000);
        pull.layer("b", 1, 2);
        pull.layer("a", 30_000_000, 40_000_000);
        pull.layer("c", 5, 5);
        assert_eq!(pull.bytes(), (30_000_006, 40_000_007));
        assert_eq!(
            pull.line(),
            "pulling the image postgres:17-alpine: 31 of 41 MB, 1 of 3 layers"
        );
    }
}
