//! Further addresses of the engine, at which connections are counted.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// An address that leads to the engine, as long as this process runs.
pub(crate) struct Forward {
    /// The address, as `DOCKER_HOST` has it.
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
}

impl Forward {
    /// Listens at a socket in a directory.
    pub(crate) fn at_socket_in(directory: &Path) -> Self {
        let path = directory.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let accept = move || listener.accept().map(|(client, _)| client);
        Self::new(format!("unix://{}", path.display()), accept)
    }

    /// Listens at a port of this machine's address, for processes of this user.
    pub(crate) fn at_port_of(host: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let accept = move || loop {
            let (client, _) = listener.accept()?;
            // Whoever reaches an engine can do everything on its machine.
            if is_of_this_user(&client) {
                return Ok(client);
            }
        };
        Self::new(address, accept)
    }

    fn new<C: Client>(
        address: String,
        accept: impl Fn() -> io::Result<C> + Send + 'static,
    ) -> Self {
        let engine = engine();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            while let Ok(client) = accept() {
                counted.fetch_add(1, Ordering::SeqCst);
                let server = UnixStream::connect(&engine).unwrap();
                let (from, to) = (client.copy(), server.copy());
                thread::spawn(move || pump(from, to));
                thread::spawn(move || pump(server, client));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Returns how many connections were made to the address.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A stream of two directions.
trait Client: Read + Write + Send + 'static {
    fn copy(&self) -> Self;
    fn end_writing(&self);
}

impl Client for UnixStream {
    fn copy(&self) -> Self {
        self.try_clone().unwrap()
    }

    fn end_writing(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Client for TcpStream {
    fn copy(&self) -> Self {
        self.try_clone().unwrap()
    }

    fn end_writing(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

fn pump(mut from: impl Client, mut to: impl Client) {
    let _ = io::copy(&mut from, &mut to);
    to.end_writing();
}

/// Returns the socket of the engine that `docker` talks to.
fn engine() -> String {
    let output = Command::new("docker")
        .args([
            "context",
            "inspect",
            "--format",
            "{{.Endpoints.docker.Host}}",
        ])
        .output()
        .unwrap();
    let address = String::from_utf8(output.stdout).unwrap();
    let socket = address.trim().strip_prefix("unix://");
    let error = String::from_utf8_lossy(&output.stderr);
    socket
        .unwrap_or_else(|| panic!("this suite needs an engine at a socket: `{address}` {error}"))
        .to_owned()
}

/// Returns whether the process at the other end is one of this machine, and of the user of this one.
fn is_of_this_user(client: &TcpStream) -> bool {
    let (SocketAddr::V4(here), port) = (
        client.local_addr().unwrap(),
        client.peer_addr().unwrap().port(),
    ) else {
        return false;
    };
    let user = fs::metadata("/proc/self").unwrap().uid().to_string();
    // As `/proc/net/tcp` writes addresses. That of the sender is not compared: the engine's rules of the
    // firewall replace it.
    let here = format!(
        "{:08X}:{:04X}",
        u32::from_ne_bytes(here.ip().octets()),
        here.port()
    );
    let port = format!(":{port:04X}");
    let is_listed = || {
        let connections = fs::read_to_string("/proc/net/tcp").unwrap();
        connections.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words[1].ends_with(&port) && words[2] == here && words[7] == user
        })
    };
    // A list that changes while it is read can lack a line.
    (0..20).any(|_| is_listed())
}
