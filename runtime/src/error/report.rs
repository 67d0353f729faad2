//! An error in words: what is left of it once it is stored.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Puts an error of a service's client into plain words.
pub(crate) type Describe = fn(&(dyn StdError + 'static)) -> Option<String>;

/// What the name of a step completes.
pub(super) const STEP: &str = "failed to ";

/// What an error says, without the values that it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(super) step: String,
    pub(super) causes: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) help: Option<String>,
}

impl Report {
    /// Returns what is said without the help, and the help.
    pub(crate) fn without_help(mut self) -> (String, Option<String>) {
        let help = self.help.take();
        (self.to_string(), help)
    }
}

/// Returns the words of an error: those of the first that knows it, else its own.
pub(super) fn described(error: &(dyn StdError + 'static), describe: &[Describe]) -> String {
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

/// A cause of which the words are left.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) text: String,
    pub(super) source: Option<Box<Cause>>,
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
