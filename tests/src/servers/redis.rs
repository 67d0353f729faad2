//! Redis.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{directory, end, free_port, output, program, wait_for, wrapped};

/// A Redis server with 16 logical databases.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    process: Child,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts a server with further arguments.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let directory = directory();
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let server = Self {
            port,
            process: spawn(directory.path(), port, &arguments),
            directory,
            arguments,
        };
        server.wait();
        server
    }

    fn wait(&self) {
        wait_for("Redis", self.directory.path(), || {
            // One that wants a password answers as well.
            output(&mut self.client(0, &["PING"])).is_ok()
        });
    }

    /// Ends it, and starts it again on the same port, without its data.
    pub fn restart(&mut self) {
        end(&mut self.process);
        self.process = spawn(self.directory.path(), self.port, &self.arguments);
        self.wait();
    }

    /// The URL for tests.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Connects a client that is in this logical database and does nothing.
    #[must_use]
    pub fn connect(&self, database: u32) -> TcpStream {
        let mut client = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let select = format!("SELECT {database}\r\n");
        client.write_all(select.as_bytes()).expect("a command");
        let mut answer = [0; 5];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"+OK\r\n");
        client
    }

    /// What it answers to a command in a logical database.
    #[allow(clippy::must_use_candidate, reason = "commands change something")]
    pub fn ask(&self, database: u32, command: &[&str]) -> String {
        output(&mut self.client(database, command)).expect("an answer of Redis")
    }

    fn client(&self, database: u32, command: &[&str]) -> Command {
        let mut client = Command::new(program("redis-cli", "redis-tools"));
        client
            .args(["--no-raw", "-p", &self.port.to_string()])
            .args(["-n", &database.to_string()])
            .args(command);
        client
    }

    /// All keys with their values as the server stores them, and when they expire.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<String, String> {
        const CONTENTS: &str = "
            local contents = {}
            for number = 0, 15 do
                redis.call('SELECT', number)
                for _, key in ipairs(redis.call('KEYS', '*')) do
                    table.insert(contents, number .. ' ' .. key)
                    local expires = redis.pcall('PEXPIRETIME', key)
                    if type(expires) == 'table' then
                        -- Before Redis 7 only whether it expires.
                        expires = math.min(redis.call('PTTL', key), 0)
                    end
                    table.insert(contents, redis.sha1hex(redis.call('DUMP', key)) .. ' ' .. expires)
                end
            end
            return contents";
        let mut client = Command::new(program("redis-cli", "redis-tools"));
        client.args(["-p", &self.port.to_string(), "EVAL", CONTENTS, "0"]);
        let contents = output(&mut client).expect("an answer of Redis");
        let lines: Vec<&str> = contents.lines().filter(|line| !line.is_empty()).collect();
        let pairs = lines.chunks(2);
        pairs
            .map(|pair| (pair[0].to_owned(), pair[1..].concat()))
            .collect()
    }

    /// Clients that are still connected after a moment.
    #[must_use]
    pub fn clients(&self) -> Vec<String> {
        let since = Instant::now();
        loop {
            let clients = self.ask(0, &["CLIENT", "LIST"]).replace("\\n", "\n");
            let others: Vec<String> = clients
                .lines()
                .filter(|line| line.contains("id=") && !line.contains("cmd=client"))
                .map(str::to_owned)
                .collect();
            if others.is_empty() || since.elapsed() > Duration::from_secs(2) {
                return others;
            }
            sleep(Duration::from_millis(20));
        }
    }
}

fn spawn(directory: &Path, port: u16, arguments: &[String]) -> Child {
    let program = program("redis-server", "redis-server");
    let process = wrapped("redis", &program, directory)
        .args(["--bind", "127.0.0.1", "--databases", "16", "--save", ""])
        .args(["--unixsocketperm", "777", "--unixsocket"])
        .arg(directory.join("redis.sock"))
        .args(["--port", &port.to_string()])
        .args(arguments)
        .spawn();
    process.expect("sh starts")
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}
