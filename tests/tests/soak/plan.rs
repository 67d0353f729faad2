//! What happens to which run.

use std::time::Duration;

use container_test_tests::random::Random;

/// Longest time after the start of a run at which something happens to it: most have ended then.
const LATEST: usize = 5_000;

/// The same for every other run that is killed: servers start, and templates are made.
const EARLY: usize = 1_000;

/// Longest time between two runs. Servers end in it.
const LONGEST_PAUSE: usize = 10_000;

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing: it passes.
    Nothing,
    /// SIGKILL to all of its processes.
    Kill,
    /// SIGSTOP to all of its processes, and SIGCONT later.
    Stop,
}

/// A run, as it is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) number: usize,
    /// Under nextest, or by itself.
    pub(crate) nextest: bool,
    pub(crate) event: Event,
    /// How long after its start that happens.
    pub(crate) after: Duration,
    /// How long no run is begun before it.
    pub(crate) pause: Duration,
}

/// The runs of a soak.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    runs: Vec<Planned>,
}

impl Plan {
    /// Plans so many runs: every third is killed, every tenth is stopped.
    pub(crate) fn new(runs: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut below = |bound| u64::try_from(random.below(bound)).unwrap_or_default();
        let runs = (1..=runs).map(|number| {
            let event = match number {
                number if number % 10 == 5 => Event::Stop,
                number if number % 3 == 0 => Event::Kill,
                _ => Event::Nothing,
            };
            let early = event == Event::Kill && number % 2 == 0;
            let paused = below(6) == 0;
            Planned {
                number,
                // Of each kind, both checkouts have some.
                nextest: number / 2 % 2 == 0,
                event,
                after: Duration::from_millis(below(if early { EARLY } else { LATEST })),
                pause: Duration::from_millis(if paused { below(LONGEST_PAUSE) } else { 0 }),
            }
        });
        Self {
            runs: runs.collect(),
        }
    }

    /// Plans one run that nothing happens to.
    pub(crate) fn one_that_passes(&self) -> Self {
        let mut run = self.runs[0];
        run.event = Event::Nothing;
        run.number = self.runs.len() + 1;
        Self { runs: vec![run] }
    }

    /// Returns the runs.
    pub(crate) fn runs(&self) -> &[Planned] {
        &self.runs
    }
}
