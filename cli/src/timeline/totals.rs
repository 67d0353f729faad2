//! What the steps of a run took together.

use serde_json::{Value, json};

use super::runs::{Bar, Kind, Run};

/// The steps in the order of a test's life.
const ORDER: [&str; 9] = [
    "provider", "server", "template", "clone", "claim", "seeds", "body", "reset", "drop",
];

/// How many of the slowest steps are told.
const SLOWEST: usize = 20;

/// What a run took.
#[derive(Debug)]
pub(super) struct Totals<'a> {
    pub(super) tests: Tests,
    /// Each step with its times.
    pub(super) steps: Vec<(&'a str, Times)>,
    /// Those that took longest by themselves.
    pub(super) slowest: Vec<&'a Bar>,
}

#[derive(Debug)]
pub(super) struct Tests {
    pub(super) all: Times,
    pub(super) failed: usize,
    pub(super) not_ended: usize,
}

/// Times in microseconds.
#[derive(Debug, PartialEq)]
pub(super) struct Times {
    pub(super) count: usize,
    pub(super) total: f64,
    /// The total without the steps that lie within these.
    pub(super) own: f64,
    pub(super) median: f64,
    pub(super) longest: f64,
}

impl<'a> Totals<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        let all = |kind| run.bars.iter().filter(move |bar| bar.kind == kind);
        let ended = |outcome| {
            let of_it = |bar: &&Bar| bar.outcome.as_deref() == Some(outcome);
            all(Kind::Test).filter(of_it).count()
        };
        let mut names: Vec<&str> = all(Kind::Step).map(|bar| bar.name.as_str()).collect();
        names.sort_unstable_by_key(|name| (place(name), *name));
        names.dedup();
        let times = |name| Times::of(all(Kind::Step).filter(|bar| bar.name == name));
        let mut slowest: Vec<&Bar> = all(Kind::Step).collect();
        slowest.sort_by(|a, b| b.own.total_cmp(&a.own));
        slowest.truncate(SLOWEST);
        Self {
            tests: Tests {
                all: Times::of(all(Kind::Test)),
                failed: ended("failed"),
                not_ended: ended("not ended"),
            },
            steps: names.iter().map(|&name| (name, times(name))).collect(),
            slowest,
        }
    }

    pub(super) fn json(&self, run: &Run) -> Value {
        let steps = self
            .steps
            .iter()
            .map(|(name, times)| times.json(("step", *name)));
        let slowest = self.slowest.iter().map(|bar| {
            json!({
                "step": bar.name,
                "of": bar.of,
                "test": bar.test,
                "at_ms": milliseconds(bar.start),
                "ms": milliseconds(bar.length),
                "own_ms": milliseconds(bar.own),
            })
        });
        let mut tests = self.tests.all.json(("failed", self.tests.failed));
        tests["not_ended"] = self.tests.not_ended.into();
        json!({
            "began_unix_ms": milliseconds(run.start),
            "ms": milliseconds(run.length),
            "processes": run.processes,
            "tests": tests,
            "steps": steps.collect::<Vec<_>>(),
            "slowest": slowest.collect::<Vec<_>>(),
        })
    }
}

/// Returns where a step stands among the others.
pub(super) fn place(step: &str) -> usize {
    let place = ORDER.iter().position(|known| *known == step);
    place.unwrap_or(ORDER.len())
}

impl Times {
    fn of<'a>(bars: impl Iterator<Item = &'a Bar>) -> Self {
        let (mut lengths, own): (Vec<f64>, Vec<f64>) =
            bars.map(|bar| (bar.length, bar.own)).unzip();
        lengths.sort_by(f64::total_cmp);
        Self {
            count: lengths.len(),
            total: lengths.iter().sum(),
            own: own.iter().sum(),
            median: lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
            longest: lengths.last().copied().unwrap_or_default(),
        }
    }

    fn json(&self, (key, value): (&str, impl Into<Value>)) -> Value {
        json!({
            key: value.into(),
            "count": self.count,
            "total_ms": milliseconds(self.total),
            "own_ms": milliseconds(self.own),
            "median_ms": milliseconds(self.median),
            "longest_ms": milliseconds(self.longest),
        })
    }
}

/// Returns milliseconds, to the microsecond.
fn milliseconds(microseconds: f64) -> f64 {
    microseconds.round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::super::runs::tests::runs;
    use super::*;

    #[test]
    fn steps_are_summed_up_in_the_order_of_a_tests_life() {
        let runs = runs(&[
            ("B", "a", 7, 1, 0, 0),
            ("X", "body", 7, 1, 10, 1_000),
            ("X", "body", 7, 1, 2_010, 3_000),
            ("X", "body", 7, 1, 6_010, 500),
            ("X", "claim", 7, 1, 5, 2),
            ("X", "later", 7, 1, 9_000, 1),
            ("E", "a", 7, 1, 10_000, 1),
            ("B", "b", 7, 1, 10_001, 0),
        ]);
        let totals = Totals::of(&runs[0]);
        let names: Vec<&str> = totals.steps.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["claim", "body", "later"]);
        let expected = Times {
            count: 3,
            total: 4_500.0,
            own: 4_500.0,
            median: 1_000.0,
            longest: 3_000.0,
        };
        assert_eq!(totals.steps[1].1, expected);
        assert_eq!((totals.tests.failed, totals.tests.not_ended), (1, 1));
        let json = totals.json(&runs[0]);
        assert_eq!(json["steps"][1]["median_ms"], 1.0);
        assert_eq!(json["slowest"][0]["ms"], 3.0);
        assert_eq!(json["tests"]["count"], 2);
    }
}
