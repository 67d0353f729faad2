//! Programs of the system, run apart from this process's environment and terminal.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::config::Config;
use crate::{Error, Result};

/// Where scripts find the programs of the system.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// How the system says that a disk is full.
pub(crate) const NO_ROOM: &str = "No space left on device";

/// What to do when a disk is full.
pub(crate) const MAKE_ROOM: &str =
    "make room, or set CONTAINER_TEST_DATA_DIR to a directory with room for 512 MiB";

/// Runs a program, and ends it when its own input ends: then this process has ended. It does not
/// end what the program has started in turn: such children end with their input, and may leave
/// shared memory if they are killed. The program and its children hold open what the guard has as
/// its output, and write to none.
const GUARD: &str = "exec 3<&0 4>&1 </dev/null >/dev/null
\"$@\" 3<&- & program=$!
(read -r _ <&3
kill -TERM $program; tenths=0
while kill -0 $program 2>/dev/null; do
    [ $tenths -lt 600 ] || kill -KILL 0
    sleep 0.1; tenths=$((tenths + 1))
done) & guard=$!
wait $program
status=$?
kill $guard
exit $status";

/// Returns a shell that shares neither environment nor directory nor process group with this
/// process.
pub(crate) fn shell(config: &Config) -> Command {
    let mut path = OsString::from(PATH);
    // Some systems have their programs only along the user's own path.
    if !config.search_path.is_empty() {
        path.push(":");
        path.push(&config.search_path);
    }
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .process_group(0);
    shell
}

/// Returns a program that does not outlive this process, in a process group of its own. Further
/// arguments are those of the program; [`run`] runs it.
pub(crate) fn guarded(config: &Config, program: impl AsRef<OsStr>) -> Command {
    let mut command = shell(config);
    command
        .args(["-c", GUARD, "container-test-guard"])
        .arg(program);
    command
}

/// Runs a [`guarded`] program, which holds a pipe open until it and its children have ended. The
/// error has the given step and what the program said.
pub(crate) fn run(step: &str, guarded: &mut Command, held: &OwnedFd) -> Result<()> {
    let failed = |error| Error::new(step).because(error);
    let held = held.try_clone().map_err(failed)?;
    let mut child = guarded
        .stdin(Stdio::piped())
        .stdout(held)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // The command would hold the pipe open for as long as it lives.
    guarded.stdout(Stdio::null());
    // Open until the program has ended.
    let _guard = child.stdin.take();
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.trim().lines().take(5).collect();
    let said = said.join("\n").trim().to_owned();
    let cause = if said.is_empty() {
        output.status.to_string()
    } else {
        said.clone()
    };
    let error = Error::new(step).because(cause);
    Err(if said.contains(NO_ROOM) {
        error.with_help(MAKE_ROOM)
    } else {
        error
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_program_that_fails_is_reported_in_its_own_words() {
        let config = Config::with(&[]);
        let mut program = guarded(&config, "/bin/sh");
        program.args(["-c", "echo out of luck >&2; exit 2"]);
        let held = File::open("/dev/null").unwrap().into();
        let report = run("try it", &mut program, &held).unwrap_err().report();
        assert_eq!(report, "failed to try it\n  because: out of luck");
        let mut program = guarded(&config, "/bin/sh");
        program.args(["-c", "test -z \"$HOME\""]);
        run("have no environment", &mut program, &held).unwrap();
    }

    #[test]
    fn a_pipe_is_held_until_the_children_of_a_program_have_ended_as_well() {
        let config = Config::with(&[]);
        let mut program = guarded(&config, "/bin/sh");
        program.args(["-c", "sleep 1 >/dev/null 2>&1 & echo not into the pipe"]);
        let (mut output, held) = std::io::pipe().unwrap();
        let held = OwnedFd::from(held);
        let since = Instant::now();
        run("leave a child", &mut program, &held).unwrap();
        drop(held);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert!(since.elapsed() >= Duration::from_secs(1));
        assert_eq!(text, "");
    }
}
