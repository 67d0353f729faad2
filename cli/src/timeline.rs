//! `timeline`: a page, or totals, of the trace events that tests have written.

mod page;
mod runs;
mod totals;
mod trace;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use container_test::{Error, Result};
use serde_json::json;

use self::runs::Run;
use self::totals::Totals;
use crate::command::Timeline;
use crate::output::{say, say_json};

/// Reads the files, and writes the page or prints the totals.
pub(crate) fn run(timeline: &Timeline) -> Result<ExitCode> {
    let mut traces = Vec::new();
    for file in &timeline.files {
        traces.push(read(file)?);
    }
    let skipped: usize = traces.iter().map(|trace| trace.skipped).sum();
    if skipped > 0 {
        eprintln!(
            "warning: left out what is cut short ({})",
            number(skipped, "line")
        );
    }
    let runs = runs::of(&traces);
    if timeline.json {
        let runs: Vec<_> = runs.iter().map(|run| Totals::of(run).json(run)).collect();
        say_json(&json!({ "runs": runs }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let [first, ..] = &timeline.files[..] else {
        // The command line has at least one.
        return Ok(ExitCode::FAILURE);
    };
    let output = match &timeline.output {
        Some(output) => output.clone(),
        None => first.with_extension("html"),
    };
    if timeline.files.contains(&output) {
        return Err(Error::new(format!("write the page {}", output.display()))
            .because("it is the file with the events")
            .with_help("name another file with --output"));
    }
    let page = page::html(&file_name(first), &runs);
    fs::write(&output, page).map_err(|error| {
        Error::new(format!("write the page {}", output.display()))
            .because(error)
            .with_help("name a file that can be written with --output")
    })?;
    let mut lines: Vec<String> = runs.iter().map(summary).collect();
    lines.push(format!(
        "wrote {}; open it in a browser\n",
        output.display()
    ));
    say(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<trace::Trace> {
    let failed = || Error::new(format!("read the timeline {}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| {
        failed()
            .because(error)
            .with_help("run tests with CONTAINER_TEST_TIMELINE=FILE first, and give that file")
    })?;
    trace::parse(&text).map_err(|cause| {
        failed().because(cause).with_help(
            "give a file that CONTAINER_TEST_TIMELINE has named, or a trace of nextest's",
        )
    })
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Returns a line about a run.
fn summary(run: &Run) -> String {
    let Totals { tests, .. } = Totals::of(run);
    let seconds = run.length / 1_000_000.0;
    let mut parts = vec![format!(
        "{} in {seconds:.1} s",
        number(tests.all.count, "test")
    )];
    for (count, what) in [(tests.failed, "failed"), (tests.not_ended, "did not end")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
