//! One run of the program.

use std::fmt;
use std::io::{Write, pipe};
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use futures_util::future::try_join;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a run may take, unless it says otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a program with both its outputs in one: in the order that it writes them in.
const BOTH: &str = r#"exec "$@" 2>&1"#;

/// One run of the program.
pub(super) struct Call<'a> {
    program: &'a Path,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    input: Option<String>,
    both_outputs: bool,
    limit: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn new(program: &'a Path, arguments: &[&str]) -> Self {
        Self {
            program,
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            environment: Vec::new(),
            input: None,
            both_outputs: false,
            limit: LIMIT,
        }
    }

    /// Adds arguments after those that there are.
    pub(super) fn arguments(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Adds variables to the environment that the program inherits.
    pub(super) fn environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.environment = variables;
        self
    }

    /// Gives the program a standard input, which is empty otherwise. It must fit a pipe: some
    /// kilobytes.
    pub(super) fn input(mut self, text: String) -> Self {
        self.input = Some(text);
        self
    }

    /// Returns what the program writes to its standard error as well.
    pub(super) fn both_outputs(mut self) -> Self {
        self.both_outputs = true;
        self
    }

    /// Changes how long the run may take.
    pub(super) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the program and returns its standard output. It is killed if the future is dropped.
    pub(super) async fn output(self) -> Result<String, Failure> {
        let name = self.name();
        let output = self.within_limit().await?;
        outcome(&name, output.status, &output.stderr)?;
        Ok(text(&output.stdout))
    }

    /// Runs the program, and hands each line of its standard output on as it comes.
    pub(super) async fn lines(self, mut line: impl FnMut(&str)) -> Result<(), Failure> {
        let (name, limit) = (self.name(), self.limit);
        let failed = |error: std::io::Error| Failure(format!("`{name}`: {error}"));
        let mut child = self.command().and_then(|mut command| command.spawn());
        let child = child
            .as_mut()
            .map_err(|error| Failure(format!("`{name}`: {error}")))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let read = async {
            if let Some(output) = output {
                let mut lines = BufReader::new(output).lines();
                while let Some(next) = lines.next_line().await? {
                    line(&next);
                }
            }
            Ok::<_, std::io::Error>(())
        };
        let say = async {
            let mut said = Vec::new();
            if let Some(mut errors) = errors {
                errors.read_to_end(&mut said).await?;
            }
            Ok::<_, std::io::Error>(said)
        };
        let ended = async {
            let ((), said) = try_join(read, say).await?;
            Ok::<_, std::io::Error>((child.wait().await?, said))
        };
        match timeout(limit, ended).await {
            Ok(ended) => {
                let (status, said) = ended.map_err(failed)?;
                outcome(&name, status, &said)
            }
            Err(_) => Err(Failure(format!("`{name}` did not end within {limit:?}"))),
        }
    }

    /// Runs the program and returns its standard output, also if it has failed: it may have done a
    /// part of its work.
    pub(super) async fn partial_output(self) -> String {
        let output = self.within_limit().await;
        output.map_or_else(|_| String::new(), |output| text(&output.stdout))
    }

    async fn within_limit(self) -> Result<Output, Failure> {
        let (name, limit) = (self.name(), self.limit);
        match timeout(limit, self.wait()).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(Failure(format!("`{name}`: {error}"))),
            Err(_) => Err(Failure(format!("`{name}` did not end within {limit:?}"))),
        }
    }

    async fn wait(self) -> std::io::Result<Output> {
        self.command()?.output().await
    }

    fn command(&self) -> std::io::Result<Command> {
        let mut command = if self.both_outputs {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", BOTH, "sh"]).arg(self.program);
            shell
        } else {
            Command::new(self.program)
        };
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(match &self.input {
                Some(text) => filled(text)?,
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What a terminal sends to the tests must not end it half-way.
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Returns the program and what it is to do, without the rest of its arguments.
    fn name(&self) -> String {
        let program = self.program.display();
        match self.arguments.first() {
            Some(first) => format!("{program} {first}"),
            None => program.to_string(),
        }
    }
}

/// Why a run has failed: the program's own words, or why there are none.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Returns an error if a program has failed: what it has said about that.
fn outcome(name: &str, status: ExitStatus, said: &[u8]) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let said = without_advice(&text(said));
    Err(Failure(if said.is_empty() {
        format!("`{name}` ended with {status}")
    } else {
        said
    }))
}

/// Returns an input that has all of its text before the program starts: this process may be killed at
/// any moment, and a container must not be created with half of its labels.
fn filled(text: &str) -> std::io::Result<Stdio> {
    let (input, mut output) = pipe()?;
    output.write_all(text.as_bytes())?;
    Ok(input.into())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns what the program says without its advice to read its help.
fn without_advice(said: &str) -> String {
    let lines = said.lines().filter(|line| !line.contains("--help"));
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Call<'static> {
        Call::new(Path::new("/bin/sh"), &["-c", script])
    }

    #[tokio::test]
    async fn the_program_gets_its_arguments_environment_and_input() {
        let call = shell("echo $1 $A; cat")
            .arguments(["sh", "one"].map(str::to_owned))
            .environment(vec![("A".to_owned(), "two".to_owned())])
            .input("three".to_owned());
        assert_eq!(call.output().await.unwrap(), "one two\nthree");
        let none = shell("cat; echo ended").output().await.unwrap();
        assert_eq!(none, "ended\n", "an input that nothing writes to is empty");
    }

    #[tokio::test]
    async fn input_that_the_program_does_not_read_is_no_error() {
        let call = shell("exec <&-; echo ended").input("line\n".repeat(1_000));
        assert_eq!(call.output().await.unwrap(), "ended\n");
    }

    #[tokio::test]
    async fn lines_come_as_they_are_written_and_errors_after_them() {
        let mut lines = Vec::new();
        let call = shell("echo 1; echo 2; echo 'no such thing' >&2; exit 1");
        let failure = call.lines(|line| lines.push(line.to_owned())).await;
        assert_eq!(failure.unwrap_err().to_string(), "no such thing");
        assert_eq!(lines, ["1", "2"]);
        shell("echo 1").lines(|_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn both_outputs_come_in_their_order() {
        let call = shell("echo 1; echo 2 >&2; echo 3").both_outputs();
        assert_eq!(call.output().await.unwrap(), "1\n2\n3\n");
    }

    #[tokio::test]
    async fn what_a_program_says_about_its_failure_is_the_error() {
        let script = "echo ignored; printf '%s\\n\\n%s\\n' 'no such thing' \
                      \"See 'docker run --help'.\" >&2; exit 1";
        let failure = shell(script).output().await.unwrap_err();
        assert_eq!(failure.to_string(), "no such thing");
        let silent = shell("exit 3").output().await.unwrap_err().to_string();
        assert!(silent.contains("exit status: 3"), "{silent}");
        let missing = Call::new(Path::new("/nonexistent/docker"), &["ps"]);
        let missing = missing.output().await.unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/docker ps"), "{missing}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ended");
        let script = format!("sleep 1; echo >{}", file.display());
        let begun = Instant::now();
        let call = shell(&script).limit(Duration::from_millis(200));
        let failure = call.output().await.unwrap_err().to_string();
        assert!(failure.contains("did not end within 200ms"), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!file.exists());
    }
}
