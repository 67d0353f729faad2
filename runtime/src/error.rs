//! The one error type: what was attempted, on what, why it failed, what to do next.

mod report;

use std::error::Error as StdError;
use std::fmt;

use self::report::{Cause, STEP, described};
pub(crate) use self::report::{Describe, Report};

/// The cause of an error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Result of everything that provides for a test.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a test could not be provided with what it declares.
///
/// `Display` gives what failed, as a fragment that completes "failed to …"; the cause is its
/// [`source`](StdError::source), and [`help`](Self::help) says what to do next.
pub struct Error(Box<Inner>);

struct Inner {
    step: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    notes: Vec<String>,
    help: Option<String>,
    describe: Vec<Describe>,
    lasting: bool,
}

impl Error {
    /// An error of the given step, a fragment that completes "failed to …".
    ///
    /// # Examples
    ///
    /// ```
    /// let error = container_test::Error::new("open the order book").because("it is closed");
    /// assert_eq!(error.to_string(), "open the order book");
    /// ```
    #[must_use]
    pub fn new(step: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            step: step.into(),
            source: None,
            notes: Vec::new(),
            help: None,
            describe: Vec::new(),
            lasting: false,
        }))
    }

    /// Returns a function that makes an error of the given step from its cause, for `map_err`.
    ///
    /// # Examples
    ///
    /// ```
    /// use container_test::Error;
    ///
    /// let number = "7".parse::<u8>().map_err(Error::failed_to("read the number"))?;
    /// # assert_eq!(number, 7);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn failed_to<E>(step: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let error = Self::new(step);
        |cause| error.because(cause)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds material that helps to understand the cause, such as a server's last log lines.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Has causes put into words by a service that knows them.
    #[must_use]
    pub(crate) fn described_by(mut self, describe: Describe) -> Self {
        self.0.describe.push(describe);
        self
    }

    /// Returns what to do next, if there is something to say.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Marks the error as one that another try would meet again, for as long as what was asked for stays the same.
    #[must_use]
    pub(crate) fn lasting(mut self) -> Self {
        self.0.lasting = true;
        self
    }

    /// Returns whether another try would fail as well, as this error or one of its causes says.
    pub(crate) fn is_lasting(&self) -> bool {
        let causes = std::iter::successors(StdError::source(self), |&cause| cause.source());
        let mut ours = causes.filter_map(|cause| cause.downcast_ref::<Self>());
        self.0.lasting || ours.any(|cause| cause.0.lasting)
    }

    /// Returns the whole error over several lines: step, chain of causes, notes, help. Of several
    /// helps the innermost is given: it knows most.
    #[must_use]
    pub fn report(&self) -> String {
        self.words().to_string()
    }

    /// Returns the same in parts.
    pub(crate) fn words(&self) -> Report {
        self.described(&[])
    }

    /// Returns the words of the error, with its causes described by services that know them.
    fn described(&self, describe: &[Describe]) -> Report {
        let mut report = Report {
            step: self.to_string(),
            causes: Vec::new(),
            notes: self.0.notes.clone(),
            help: self.help().map(str::to_owned),
        };
        add_causes(&mut report, self, [&self.0.describe[..], describe].concat());
        report
    }
}

/// Returns what any error says over several lines: its words and those of its causes.
pub(crate) fn chain(error: &(dyn StdError + 'static), describe: &[Describe]) -> String {
    if let Some(error) = error.downcast_ref::<Error>() {
        return error.described(describe).to_string();
    }
    let mut report = Report {
        step: described(error, describe),
        causes: Vec::new(),
        notes: Vec::new(),
        help: None,
    };
    add_causes(&mut report, error, describe.to_vec());
    let words = report.to_string();
    words.strip_prefix(STEP).unwrap_or(&words).to_owned()
}

fn add_causes(report: &mut Report, error: &(dyn StdError + 'static), mut describe: Vec<Describe>) {
    let mut last = format!("{STEP}{}", report.step);
    let mut source = error.source();
    while let Some(cause) = source {
        let text = if let Some(cause) = cause.downcast_ref::<Error>() {
            report.help = cause.help().map(str::to_owned).or(report.help.take());
            report.notes.splice(0..0, cause.0.notes.iter().cloned());
            describe.extend(&cause.0.describe);
            format!("{STEP}{cause}")
        } else {
            described(cause, &describe)
        };
        // Many errors repeat their cause.
        if !last.contains(&text) {
            last.clone_from(&text);
            report.causes.push(text);
        }
        source = cause.source();
    }
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.step)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_gives_the_chain_the_notes_and_the_innermost_help() {
        let inner = Error::new("create a database")
            .because("permission denied")
            .note("the inner note")
            .with_help("the inner help");
        let outer = Error::new("use the server")
            .because(inner)
            .note("the outer note")
            .with_help("the outer help");
        assert_eq!(
            outer.report(),
            "failed to use the server\n  \
               because: failed to create a database\n  \
               because: permission denied\n  \
               note: the inner note\n  \
               note: the outer note\n  \
               help: the inner help"
        );
    }

    #[test]
    fn a_cause_that_repeats_itself_is_given_once() {
        let io = std::io::Error::other("refused");
        let error = Error::new("connect").because(std::io::Error::other(io));
        assert_eq!(error.report().matches("refused").count(), 1);
    }

    #[test]
    fn a_service_describes_the_causes_that_it_knows() {
        let describe: Describe = |cause| (cause.to_string() == "E42").then(|| "no room".to_owned());
        let inner = Error::new("write").because("E42").described_by(describe);
        let report = Error::new("set up").because(inner).report();
        assert!(report.ends_with("because: no room"), "{report}");
    }

    #[test]
    fn an_error_that_was_stored_says_the_same() {
        let inner = Error::new("create a database")
            .because(std::io::Error::other("permission denied"))
            .note("the log")
            .with_help("grant it");
        let error = Error::new("use the server").because(inner).note("where");
        let again = Error::from(error.words());
        assert_eq!(again.report(), error.report());
        assert_eq!(again.to_string(), error.to_string());
    }
}
