//! Joins a local server that runs already.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::directory;
use super::log::LocalLog;
use super::programs::Programs;
use crate::Result;
use crate::lifecycle::{Owner, private};
use crate::provider::request::Request;
use crate::service::{Address, Endpoint, OpenError};

/// The file in a server's directory that says how to join it.
const FILE: &str = "endpoint";
/// Its name while the watchdog decides whether the server ends.
const FILE_AT_THE_END: &str = ".endpoint";

/// How long the watchdog may take to decide.
const DECISION: Duration = Duration::from_secs(2);
/// How often the file is looked for meanwhile.
const POLL: Duration = Duration::from_millis(4);

/// Connects to the server of this name, if it runs already. Any error means that it does not.
pub(super) async fn join<T, C, F>(
    request: &Request,
    name: &str,
    programs: &Programs,
    owner: &Owner,
    open: &C,
) -> Option<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    for directory in directory::find(&request.config, name, owner) {
        // A server that is about to start has no such file. The watchdog has moved away that of a
        // server which it is about to end before it looked for connections for the last time.
        if let Some(endpoint) = read(&directory, programs).await
            && let Ok(opened) = open(endpoint.clone()).await
            && read(&directory, programs).await.is_some()
        {
            return Some((endpoint, opened));
        }
    }
    None
}

/// Lets other processes join the server.
pub(super) fn announce(directory: &Path, owner: &Owner, port: u16, password: &str) -> Result<()> {
    private::write(
        &directory.join(FILE),
        &format!("{port} {password}\n"),
        owner,
    )
}

/// Reads how to join a server, once it is decided whether it ends; `None` if it does.
async fn read(directory: &Path, programs: &Programs) -> Option<Endpoint> {
    let deadline = Instant::now() + DECISION;
    let text = loop {
        match fs::read_to_string(directory.join(FILE)) {
            Ok(text) => break text,
            Err(_) if Instant::now() > deadline => return None,
            Err(_) if directory.join(FILE_AT_THE_END).exists() => sleep(POLL).await,
            // It may have been moved back between the two looks.
            Err(_) => break fs::read_to_string(directory.join(FILE)).ok()?,
        }
    };
    let (port, password) = parse(&text)?;
    Some(endpoint(directory, programs, port, password))
}

/// Returns how the server that has this directory is reached, if it says so now.
pub(super) fn address(directory: &Path) -> Option<Address> {
    let text = fs::read_to_string(directory.join(FILE)).ok()?;
    let (port, password) = parse(&text)?;
    Some(started(port, password))
}

fn parse(text: &str) -> Option<(u16, &str)> {
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

fn started(port: u16, password: &str) -> Address {
    Address::Started {
        host: "127.0.0.1".to_owned(),
        port,
        password: password.to_owned(),
        remote: false,
    }
}

/// Returns how a local server is reached.
pub(super) fn endpoint(
    directory: &Path,
    programs: &Programs,
    port: u16,
    password: &str,
) -> Endpoint {
    Endpoint {
        address: started(port, password),
        description: format!(
            "local server {} on port {port}, data in {}",
            programs.server().display(),
            directory.display()
        ),
        outlives_tests: false,
        log: Arc::new(LocalLog::in_directory(directory)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::service::{LocalProgram, ServerSpec};

    const NAME: &str = "container-test-nats-0123";

    /// A server's directory, and what a process joins the server with.
    struct Running {
        _root: TempDir,
        directory: PathBuf,
        request: Request,
        programs: Programs,
        owner: Owner,
    }

    fn running() -> Running {
        let root = tempfile::tempdir().unwrap();
        let config = Config::with(&[("CONTAINER_TEST_DATA_DIR", root.path().to_str().unwrap())]);
        let owner = Owner::of_process(&config).unwrap();
        let local = LocalProgram::new(&["nats-server"], "`apt install nats-server`");
        fs::write(root.path().join("nats-server"), "").unwrap();
        let directory = root.path().join(format!("{NAME}.0123abcd"));
        directory::create(&directory, &owner).unwrap();
        announce(&directory, &owner, 4222, "secret").unwrap();
        let spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        Running {
            directory,
            request: Request::new(&spec, &Arc::new(config)).unwrap(),
            programs: Programs::in_directory(root.path(), &local).unwrap(),
            owner,
            _root: root,
        }
    }

    impl Running {
        /// Joins the server; `open` runs while the connection is made.
        async fn join(&self, open: impl AsyncFn(&Path)) -> bool {
            let opened = |_| async {
                open(&self.directory).await;
                Ok(())
            };
            let Self {
                request,
                programs,
                owner,
                ..
            } = self;
            let joined = join(request, NAME, programs, owner, &opened).await;
            joined.is_some()
        }
    }

    fn move_away(directory: &Path) {
        fs::rename(directory.join(FILE), directory.join(FILE_AT_THE_END)).unwrap();
    }

    /// Decides, a moment later, that the server does not end.
    fn move_back_soon(directory: &Path) {
        let directory = directory.to_owned();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            fs::rename(directory.join(FILE_AT_THE_END), directory.join(FILE)).unwrap();
        });
    }

    #[tokio::test]
    async fn a_server_is_not_joined_that_ends_after_it_has_answered() {
        let server = running();
        let ends = async |directory: &Path| {
            move_away(directory);
            let directory = directory.to_owned();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                fs::remove_dir_all(directory).unwrap();
            });
        };
        assert!(!server.join(ends).await);
    }

    #[tokio::test]
    async fn a_server_is_joined_if_the_watchdog_has_seen_the_connection() {
        let server = running();
        assert!(server.join(async |_| ()).await);
        let is_seen = async |directory: &Path| {
            move_away(directory);
            move_back_soon(directory);
        };
        assert!(server.join(is_seen).await, "as it was joined");
        move_away(&server.directory);
        move_back_soon(&server.directory);
        assert!(server.join(async |_| ()).await, "before it was joined");
    }
}
