//! What stands between tests and a server.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A proxy that passes everything on, until it swallows everything and closes nothing.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    silent: Arc<AtomicBool>,
}

/// How often a connection without data looks whether it is to be silent.
const LOOK: Duration = Duration::from_millis(20);

impl Proxy {
    /// Stands in front of this port.
    #[must_use]
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let silent = Arc::new(AtomicBool::new(false));
        let swallows = Arc::clone(&silent);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone(), to.try_clone());
                    let silent = Arc::clone(&swallows);
                    thread::spawn(move || pass_on(from?, to?, &silent));
                }
            }
        });
        Self { port, silent }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Passes nothing on from now on.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, silent: &AtomicBool) -> io::Result<()> {
    use std::io::{Read, Write};
    from.set_read_timeout(Some(LOOK))?;
    to.set_nodelay(true)?;
    let mut data = [0; 8192];
    loop {
        let read = from.read(&mut data);
        if silent.load(Ordering::Relaxed) {
            // Both ends are held, as they are where a network drops what is sent.
            loop {
                thread::park();
            }
        }
        match read {
            Ok(0) => return to.shutdown(std::net::Shutdown::Both),
            Ok(length) => to.write_all(&data[..length])?,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(error),
        }
    }
}
