//! An error in words: what is left of it once it is stored.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Describe, Error};

/// What an error says, without the values that it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    step: String,
    causes: Vec<String>,
    notes: Vec<String>,
    help: Option<String>,
}

impl Error {
    /// Returns the whole error over several lines: step, chain of causes, notes, help. Of several
    /// helps the innermost is given: it knows most.
    #[must_use]
    pub fn report(&self) -> String {
        Report::of(self).to_string()
    }
}

impl Report {
    /// Returns what an error says.
    pub(crate) fn of(error: &Error) -> Self {
        Self::described(error, &[])
    }

    /// Returns what an error says, with its causes put into words by services that know them.
    fn described(error: &Error, describe: &[Describe]) -> Self {
        let mut report = Self {
            step: error.to_string(),
            causes: Vec::new(),
            notes: error.0.notes.clone(),
            help: error.help().map(str::to_owned),
        };
        report.add_causes(error, [&error.0.describe[..], describe].concat());
        report
    }

    /// Returns what any error says over several lines: its words and those of its causes.
    pub(crate) fn chain(error: &(dyn StdError + 'static), describe: &[Describe]) -> String {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Self::described(error, describe).to_string();
        }
        let mut report = Self {
            step: described(error, describe),
            causes: Vec::new(),
            notes: Vec::new(),
            help: None,
        };
        report.add_causes(error, describe.to_vec());
        let words = report.to_string();
        words.strip_prefix(STEP).unwrap_or(&words).to_owned()
    }

    fn add_causes(&mut self, error: &(dyn StdError + 'static), mut describe: Vec<Describe>) {
        let mut last = format!("{STEP}{}", self.step);
        let mut source = error.source();
        while let Some(cause) = source {
            let text = if let Some(cause) = cause.downcast_ref::<Error>() {
                self.help = cause.help().map(str::to_owned).or(self.help.take());
                self.notes.splice(0..0, cause.0.notes.iter().cloned());
                describe.extend(&cause.0.describe);
                format!("{STEP}{cause}")
            } else {
                described(cause, &describe)
            };
            // Many errors repeat their cause.
            if !last.contains(&text) {
                last.clone_from(&text);
                self.causes.push(text);
            }
            source = cause.source();
        }
    }
}

/// What the name of a step completes.
const STEP: &str = "failed to ";

/// Returns the words of an error: those of the first that knows it, else its own.
fn described(error: &(dyn StdError + 'static), describe: &[Describe]) -> String {
    let mut known = describe.iter();
    known
        .find_map(|describe| describe(error))
        .unwrap_or_else(|| error.to_string())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STEP}{}", self.step)?;
        for cause in &self.causes {
            write!(f, "\n  because: {}", indented(cause))?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {}", indented(note))?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {}", indented(help)),
            None => Ok(()),
        }
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// An error that says the same.
impl From<Report> for Error {
    fn from(report: Report) -> Self {
        let cause = report
            .causes
            .into_iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(Cause { text, source })));
        let mut error = Self::new(report.step);
        error.0.source = cause.map(|cause| cause as _);
        error.0.notes = report.notes;
        error.0.help = report.help;
        error
    }
}

/// A cause of which the words are left.
#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_was_stored_says_the_same() {
        let inner = Error::new("create a database")
            .because(std::io::Error::other("permission denied"))
            .note("the log")
            .with_help("grant it");
        let error = Error::new("use the server").because(inner).note("where");
        let again = Error::from(Report::of(&error));
        assert_eq!(again.report(), error.report());
        assert_eq!(again.to_string(), error.to_string());
    }
}
