//! An error in words: what is left of it once it is stored.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Error;

/// What an error says, without the values that it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    step: String,
    causes: Vec<String>,
    notes: Vec<String>,
    help: Option<String>,
}

impl Report {
    /// Returns what an error says.
    pub(crate) fn of(error: &Error) -> Self {
        let step = error.to_string();
        let mut last = format!("failed to {step}");
        let mut causes = Vec::new();
        let mut help = error.help();
        let mut notes = error.0.notes.clone();
        let mut describe = error.0.describe.clone();
        let mut source = StdError::source(error);
        while let Some(cause) = source {
            let text = if let Some(cause) = cause.downcast_ref::<Error>() {
                help = cause.help().or(help);
                notes.splice(0..0, cause.0.notes.iter().cloned());
                describe.extend(&cause.0.describe);
                format!("failed to {cause}")
            } else {
                describe
                    .iter()
                    .find_map(|describe| describe(cause))
                    .unwrap_or_else(|| cause.to_string())
            };
            // Many errors repeat their cause.
            if !last.contains(&text) {
                last.clone_from(&text);
                causes.push(text);
            }
            source = cause.source();
        }
        Self {
            step,
            causes,
            notes,
            help: help.map(str::to_owned),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}", self.step)?;
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
        let cause = report.causes.into_iter().rev().fold(None, |source, text| {
            Some(Box::new(Cause { text, source }))
        });
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
