//! A page with everything in it: it is opened from a file, without a network.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::runs::{Kind, Run};
use super::totals::{Times, Totals};

const PAGE: &str = include_str!("../timeline.html");
const SCRIPT: &str = include_str!("../timeline.js");

/// What the page has where the script and the data belong.
const SCRIPT_HERE: &str = "/* the script */";
const DATA_HERE: &str = "\"the data\"";

/// Returns the page of these runs.
pub(super) fn html(file: &str, runs: &[Run]) -> String {
    let data = json!({
        "file": file,
        "runs": runs.iter().map(data).collect::<Vec<_>>(),
    });
    // Nothing in a name may end the element that the data are in.
    let data = data.to_string().replace('<', "\\u003c");
    let page = PAGE.replacen(SCRIPT_HERE, SCRIPT, 1);
    page.replacen(DATA_HERE, &data, 1)
}

fn data(run: &Run) -> Value {
    let totals = Totals::of(run);
    let mut texts = Texts::default();
    let bars = run.bars.iter().map(|bar| {
        let kind = match bar.kind {
            Kind::Test => "test",
            Kind::Step => &bar.name,
            Kind::Other => "other",
        };
        let outcome = bar.outcome.as_deref().unwrap_or_default();
        json!([
            bar.row,
            bar.level,
            bar.start.round(),
            bar.length.round(),
            bar.own.round(),
            texts.number(kind),
            texts.number(&bar.name),
            texts.number(&bar.of),
            texts.number(&bar.test),
            texts.number(outcome),
        ])
    });
    let bars: Vec<Value> = bars.collect();
    let rows = run.rows.iter();
    let rows = rows.map(|row| json!({"group": row.group, "name": row.name, "levels": row.levels}));
    let times = |times: &Times| {
        json!([
            times.count,
            times.total,
            times.own,
            times.median,
            times.longest
        ])
    };
    let steps = totals.steps.iter();
    json!({
        "start": run.start,
        "length": run.length,
        "processes": run.processes,
        "failed": totals.tests.failed,
        "notEnded": totals.tests.not_ended,
        "tests": times(&totals.tests.all),
        "steps": steps.map(|(name, all)| json!([name, times(all)])).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "bars": bars,
        "texts": texts.all,
    })
}

/// Texts that are named by their number: most are in many bars.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::super::runs::tests::runs;
    use super::*;

    #[test]
    fn no_name_leaves_the_element_of_the_data() {
        let evil = "</script><!--<script>alert(1)";
        let runs = runs(&[("B", evil, 7, 1, 0, 0), ("E", evil, 7, 1, 9, 0)]);
        let page = html("</script>.json", &runs);
        assert_eq!(
            page.matches("</script>").count(),
            PAGE.matches("</script>").count()
        );
        assert!(!page.contains("<!--<script>"), "{page}");
        let (_, rest) = page.split_once("type=\"application/json\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["file"], "</script>.json");
        let texts = data["runs"][0]["texts"].as_array().unwrap();
        assert!(texts.contains(&evil.into()), "{texts:?}");
    }

    #[test]
    fn the_page_loads_nothing() {
        for word in [SCRIPT_HERE, DATA_HERE] {
            assert_eq!(PAGE.matches(word).count(), 1, "{word}");
        }
        assert!(!SCRIPT.contains(DATA_HERE) && !SCRIPT.contains("</"));
        let page = html("run.json", &[]);
        for word in ["http:", "https:", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
