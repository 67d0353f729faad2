//! The script that every started server runs under.

/// A POSIX shell script that stops a server when no process has been connected to it for a while.
/// Its first lines say how it is called.
pub(crate) const SCRIPT: &str = include_str!("watchdog.sh");

/// What the script's lines in the server's log begin with.
pub(crate) const LOG_PREFIX: &str = "container-test-watchdog: ";

/// How the script says in the server's log that the server was not told to end.
pub(crate) const ENDED: &str = "the server ended by itself";

/// What a process runs that holds a lease, as `sh -c LEASE NAME ENDING`: it says `held`, or ends at
/// once because the server is about to end. It is one line, since the script reads the first line of
/// a command line only. Its input ends when the process that waits on the other side has died.
#[cfg(any(test, feature = "testcontainers"))]
const LEASE: &str = "grep -qse \"$1\" /proc/[0-9]*/cmdline && exit 75; echo held; read -r _";

/// What a lease says once it is held.
#[cfg(any(test, feature = "testcontainers"))]
pub(crate) const HELD: &str = "held";

/// Returns the script's first argument for a server that runs while leases on it are held. The
/// token tells the leases of one server from those of others.
#[cfg(any(test, feature = "testcontainers"))]
pub(crate) fn leases(token: &str) -> String {
    format!("lease:{token}")
}

/// Returns the command of a process that holds a lease, beside the server.
#[cfg(any(test, feature = "testcontainers"))]
pub(crate) fn lease(token: &str) -> Vec<String> {
    let name = format!("container-test-lease-{token}");
    let ending = format!("[c]ontainer-test-ending-{token}");
    vec![
        "sh".to_owned(),
        "-c".to_owned(),
        LEASE.to_owned(),
        name,
        ending,
    ]
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::fs::Permissions;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// Seconds without a connection, fewer than the server takes to listen.
    const IDLE: u64 = 4;

    #[test]
    fn a_server_that_listens_late_is_not_stopped_at_once() {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let mut watchdog = Command::new("sh")
            .args(["-c", SCRIPT, "container-test-watchdog"])
            .arg(address.port().to_string())
            .args([&IDLE.to_string(), "60", "TERM", "", "sleep", "60"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_secs(IDLE + 2));
        // The script does not check which process listens.
        let _server = TcpListener::bind(address).unwrap();
        sleep(Duration::from_secs(2));
        assert!(watchdog.try_wait().unwrap().is_none(), "after 2 s");
        assert!(watchdog.wait().unwrap().success());
    }

    #[test]
    fn a_server_that_does_not_stop_fast_is_told_to_quit_before_it_is_killed() {
        const SERVER: &str = "
            $SIG{INT} = 'IGNORE'; $SIG{QUIT} = sub { print 'it has quit'; exit };
            sleep 1 while 1";
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("server");
        std::fs::create_dir(&directory).unwrap();
        let watched = Command::new("sh")
            .args(["-c", SCRIPT, "container-test-watchdog", "1"])
            .args(["1", "1", "INT"])
            .arg(&directory)
            .args(["perl", "-e", SERVER])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(watched.status.success());
        assert!(!directory.exists());
        assert_eq!(String::from_utf8(watched.stdout).unwrap(), "it has quit");
    }

    #[test]
    fn a_server_that_ends_by_itself_is_reported_in_the_log() {
        let watched = Command::new("sh")
            .args(["-c", SCRIPT, "container-test-watchdog", "1"])
            .args(["1", "60", "TERM", "", "sh", "-c", "exit 3"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = String::from_utf8(watched.stderr).unwrap();
        assert_eq!(log, format!("{LOG_PREFIX}{ENDED} with status 3\n"));
        assert_eq!(watched.status.code(), Some(3));
    }

    /// Starts the watchdog with a `grep` that finds a server without a connection, and one with a
    /// connection once this condition of the shell holds: `$SERVER` is the file in which the server
    /// has written its process number.
    fn watch_until(condition: &str, programs: &Path, remove: &Path, server: &str) -> Child {
        let grep = programs.join("grep");
        let table = format!(
            "#!/bin/sh\necho '0: 0100007F:0001 00000000:0000 0A '\n\
             {condition} && echo '1: 0100007F:0001 0100007F:ABCD 01 '\nexit 0\n"
        );
        std::fs::write(&grep, table).unwrap();
        std::fs::set_permissions(&grep, Permissions::from_mode(0o755)).unwrap();
        Command::new("/bin/sh")
            .args(["-c", SCRIPT, "container-test-watchdog"])
            .args(["1", "1", "60", "TERM"])
            .arg(remove)
            .args(["sh", "-c", server])
            .env("PATH", format!("{}:{USUAL}", programs.display()))
            .env("SERVER", programs.join("server"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What such a server runs: below an `init`, as with `tini`.
    const BELOW_INIT: &str = "sh -c 'echo $$ >\"$SERVER\"; exec sleep 60' & wait";

    fn state_of(programs: &Path) -> Option<char> {
        let number = std::fs::read_to_string(programs.join("server")).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", number.trim())).ok()?;
        let state = status
            .lines()
            .find_map(|line| line.strip_prefix("State:"))?;
        state.trim().chars().next()
    }

    fn stop(mut watchdog: Child) {
        let stop = ["-TERM", &watchdog.id().to_string()];
        Command::new("kill").args(stop).status().unwrap();
        watchdog.wait().unwrap();
    }

    #[test]
    fn a_local_server_that_is_joined_before_the_last_look_runs_on() {
        let programs = tempfile::tempdir().unwrap();
        let directory = programs.path().join("data");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("endpoint"), "").unwrap();
        let condition = format!("[ ! -e '{}/endpoint' ]", directory.display());
        let mut watchdog = watch_until(&condition, programs.path(), &directory, "exec sleep 60");
        sleep(Duration::from_secs(4));
        assert!(watchdog.try_wait().unwrap().is_none(), "it was joined");
        // The file is away for a moment every second.
        let back = (0..50).any(|_| {
            sleep(Duration::from_millis(10));
            directory.join("endpoint").exists()
        });
        assert!(back, "no other process finds the server");
        stop(watchdog);
    }

    #[test]
    fn a_server_in_a_container_that_is_joined_before_the_last_look_runs_on() {
        let programs = tempfile::tempdir().unwrap();
        let condition = "/bin/grep -q '^State:.T' \"/proc/$(cat \"$SERVER\")/status\"";
        let mut watchdog = watch_until(condition, programs.path(), Path::new(""), BELOW_INIT);
        sleep(Duration::from_secs(4));
        assert!(watchdog.try_wait().unwrap().is_none(), "it was joined");
        let resumed = (0..50).any(|_| {
            sleep(Duration::from_millis(10));
            state_of(programs.path()) == Some('S')
        });
        assert!(resumed, "the server stays paused");
        // Here no container ends what is below.
        let number = std::fs::read_to_string(programs.path().join("server")).unwrap();
        stop(watchdog);
        let _ = Command::new("kill").arg(number.trim()).status();
    }

    #[test]
    fn a_server_in_a_container_that_is_not_used_ends_with_all_that_it_has_started() {
        let programs = tempfile::tempdir().unwrap();
        let mut watchdog = watch_until("false", programs.path(), Path::new(""), BELOW_INIT);
        assert!(watchdog.wait().unwrap().success());
        // It takes a moment to disappear.
        let gone = (0..200).any(|_| {
            sleep(Duration::from_millis(10));
            state_of(programs.path()).is_none_or(|state| state == 'Z')
        });
        assert!(gone, "the server still runs");
    }

    /// Starts the watchdog for leases, which a second without any ends. Programs are looked for along
    /// this path.
    fn watch_leases(token: &str, path: &str, grace: &str) -> Child {
        Command::new("/bin/sh")
            .args(["-c", SCRIPT, "container-test-watchdog"])
            .args([&leases(token), "1", grace, "TERM", "", "sleep", "60"])
            .env("PATH", path)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Takes a lease; returns what it says.
    fn take_lease(token: &str) -> (Child, String) {
        let command = lease(token);
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut said).unwrap();
        (child, said.trim().to_owned())
    }

    fn token() -> String {
        crate::hash::random().unwrap()
    }

    const USUAL: &str = "/usr/bin:/bin";

    #[test]
    fn a_server_runs_for_as_long_as_a_lease_is_held() {
        let token = token();
        let mut watchdog = watch_leases(&token, USUAL, "60");
        let (mut one, said) = take_lease(&token);
        assert_eq!(said, HELD);
        let (mut other, _) = take_lease(&token);
        sleep(Duration::from_secs(2));
        drop(one.stdin.take());
        one.wait().unwrap();
        sleep(Duration::from_secs(3));
        assert!(watchdog.try_wait().unwrap().is_none(), "one is still held");
        drop(other.stdin.take());
        assert!(watchdog.wait().unwrap().success());
        other.wait().unwrap();
    }

    #[test]
    fn a_server_that_gets_no_lease_ends_after_its_grace() {
        assert!(watch_leases(&token(), USUAL, "1").wait().unwrap().success());
    }

    #[test]
    fn leases_are_found_without_grep() {
        let programs = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/sleep", programs.path().join("sleep")).unwrap();
        let (path, token) = (programs.path().to_str().unwrap(), token());
        let mut watchdog = watch_leases(&token, path, "4");
        let (_lease, _) = take_lease(&token);
        sleep(Duration::from_secs(6));
        assert!(
            watchdog.try_wait().unwrap().is_none(),
            "the lease was not seen"
        );
        stop(watchdog);
    }

    #[test]
    fn no_lease_is_held_on_a_server_that_is_about_to_end() {
        let token = token();
        let announcement = format!("container-test-ending-{token}");
        let mut ending = Command::new("sh")
            .args(["-c", "read -r _", &announcement])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(300));
        assert_eq!(take_lease(&token).1, "");
        drop(ending.stdin.take());
        ending.wait().unwrap();
        assert_eq!(take_lease(&token).1, HELD);
    }
}
