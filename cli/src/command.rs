//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Starts the servers of a crate's tests.
#[derive(Debug, Parser)]
#[command(
    name = "cargo container-test",
    bin_name = "cargo container-test",
    version
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the package's services as its tests do, with its migrations applied, and prints their
    /// URLs; with a command, runs it with the URLs in its environment and ends with it
    Up(Up),
    /// Starts psql in the database of a test that runs or is retained; without a test, in a new
    /// database with the package's migrations
    Psql(Client),
    /// Starts redis-cli in the keyspace of a test that runs or is retained; without a test, in a new
    /// keyspace
    RedisCli(Client),
    /// Lists the servers that tests have started, and what tests have of them
    Ps(Ps),
    /// Prints the last lines of the servers' logs
    Logs(Logs),
    /// Ends the servers of all your projects at once, with all that was retained on them, even if
    /// processes use them
    Down(Down),
    /// Says of each service which providers can be used, why not, and what to do
    Doctor(Doctor),
    /// Makes a page of the files that tests have written with `CONTAINER_TEST_TIMELINE=FILE`: what
    /// took how long, at the same time as what
    Timeline(Timeline),
}

/// Which package it is about.
#[derive(Args, Debug)]
pub(crate) struct Of {
    /// `Cargo.toml` of the package; by default the nearest above the current directory
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) of: Of,
    /// The services, such as `postgres,redis`; by default `services` in
    /// `[package.metadata.container-test]`, else postgres
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) services: Vec<String>,
    /// Seed files, as a test names them: `users`, or `fixtures/users.sql`
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    pub(crate) seeds: Vec<String>,
    /// Writes the URLs to this file as well, such as `.env`, for as long as the services run
    #[arg(long, value_name = "FILE")]
    pub(crate) env: Option<PathBuf>,
    /// Prints the URLs as JSON
    #[arg(long, conflicts_with = "command")]
    pub(crate) json: bool,
    /// A command that gets the URLs as `DATABASE_URL` and `REDIS_URL`
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct Client {
    #[command(flatten)]
    pub(crate) of: Of,
    /// A test that runs, or that has failed with `CONTAINER_TEST_KEEP=1`: its path, or a part of it
    #[arg(value_name = "TEST", conflicts_with = "seeds")]
    pub(crate) test: Option<String>,
    /// Seed files for a new database, as a test names them
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    pub(crate) seeds: Vec<String>,
    /// Prints what the test has as JSON, with its URL, and starts no client
    #[arg(long, requires = "test", conflicts_with = "arguments")]
    pub(crate) json: bool,
    /// Further arguments of the client
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct Ps {
    /// Prints JSON, with the URLs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// The services, such as `postgres`; by default all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// How many lines of each log
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) lines: usize,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Down {
    /// The services, such as `postgres`; by default all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) of: Of,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Timeline {
    /// Files with trace events; what several have is shown together, such as a trace of nextest's
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Writes the page to this file; by default the first FILE with the ending `.html`
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) output: Option<PathBuf>,
    /// Prints totals and the slowest steps as JSON, and writes no page
    #[arg(long)]
    pub(crate) json: bool,
}

/// Returns the arguments without the word that Cargo repeats: `cargo container-test up` runs
/// `cargo-container-test container-test up`.
pub(crate) fn arguments(all: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = all.collect();
    if all.get(1).is_some_and(|first| first == "container-test") {
        all.remove(1);
    }
    all
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_can_print_json() {
        let command = Arguments::command();
        for command in command.get_subcommands() {
            let mut options = command.get_opts();
            let json = options.find(|option| option.get_long() == Some("json"));
            assert!(json.is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn the_word_that_cargo_repeats_is_left_out() {
        let words =
            |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).collect() };
        let called = ["cargo-container-test", "container-test", "up"];
        let expected = words(&["cargo-container-test", "up"]);
        assert_eq!(arguments(words(&called).into_iter()), expected);
        assert_eq!(arguments(expected.clone().into_iter()), expected);
    }
}
