//! A pooler, PgBouncer.

use std::fs;
use std::path::Path;
use std::process::Child;

use tempfile::TempDir;

use super::postgres::{PASSWORD, Postgres, ROLE};
use super::{directory, end, free_port, hand_over, program, wait_for, wrapped};

/// A pooler in front of a PostgreSQL server, which shares the server's sessions by transaction.
#[derive(Debug)]
pub struct Pgbouncer {
    port: u16,
    process: Child,
    _directory: TempDir,
}

impl Pgbouncer {
    /// Starts a pooler with further settings.
    #[must_use]
    pub fn start(postgres: &Postgres, settings: &[&str]) -> Self {
        let directory = directory();
        let port = free_port();
        let users = directory.path().join("users");
        let text = format!("\"{ROLE}\" \"{PASSWORD}\"\n");
        write(&users, &text);
        let file = directory.path().join("settings");
        let server = postgres.port();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {}\npool_mode = transaction\n{}\n",
            users.display(),
            settings.join("\n")
        );
        write(&file, &text);
        let mut pooler = wrapped(
            "postgres",
            &program("pgbouncer", "pgbouncer"),
            directory.path(),
        );
        let process = pooler.arg(&file).spawn().expect("sh starts");
        wait_for("PgBouncer", directory.path(), || {
            let log = fs::read_to_string(directory.path().join("log"));
            log.is_ok_and(|log| log.contains("process up"))
        });
        Self {
            port,
            process,
            _directory: directory,
        }
    }

    /// The URL for tests.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "postgres://{ROLE}:{PASSWORD}@127.0.0.1:{}/theirs",
            self.port
        )
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file in a directory of ours");
    hand_over(path);
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}
