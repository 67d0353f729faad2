//! Sessions that a process keeps from test to test: a new one costs more than all else that a
//! test pays.
//!
//! A session stays in its database, and goes to the next test together with it, once that is
//! proven to equal its template again and the session to equal a new one. Its socket belongs to
//! the background thread's runtime; the tests' runtimes come and go.
//!
//! A pool takes no connection that it has not made. So it makes one to a port of ours, where
//! nothing but the greeting of a server is to be had, and that one is replaced by the session
//! before anybody sees it. The pool is a new one for every test: one that a test has kept cannot
//! reach into the next test's database.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OnceCell};

use crate::{background, config};

/// Sessions that a process keeps on a server: enough for the tests that run at the same time.
/// Tests of many templates would add up to more.
const KEPT: usize = 16;

/// Sessions of one template that are made as new while other tests already run: one of them is
/// that of the test before, on which nobody waits then.
const IN_WORK: usize = 2;

/// The oldest version that tells whether a session is as new: see [`SETTINGS_MEMORY`].
const OLDEST: i32 = 160_000;

/// The memory that holds the session's settings. A session may have set parameters that only it
/// knows, such as `app.user`; they cannot be listed, and resetting leaves them empty rather than
/// undefined. But they take memory, as settings of libraries do that it has loaded.
pub(super) const SETTINGS_MEMORY: &str =
    "SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'GUCMemoryContext'";

/// A session in a test's database.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) mark: Mark,
}

/// What a session is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its process on the server.
    pub(super) pid: i32,
    /// What [`SETTINGS_MEMORY`] was when it was new.
    pub(super) settings: i64,
}

impl Session {
    /// Opens one that can be kept, on the background thread's runtime; none where that is not
    /// possible.
    pub(super) async fn open(options: &PgConnectOptions, version: i32) -> Option<Self> {
        if version < OLDEST || config::one_test_per_process() {
            return None;
        }
        let mut connection = PgConnection::connect_with(options).await.ok()?;
        // Most sessions that are used at all load it sooner or later.
        let mark = format!(
            "LOAD 'plpgsql'; SELECT pg_backend_pid() AS pid, ({SETTINGS_MEMORY}) AS settings"
        );
        let row = sqlx::raw_sql(AssertSqlSafe(mark))
            .fetch_one(&mut connection)
            .await
            .ok()?;
        let mark = Mark {
            pid: row.try_get("pid").ok()?,
            settings: row.try_get("settings").ok()?,
        };
        Some(Self { connection, mark })
    }
}

/// The sessions that a process keeps on one server.
#[derive(Debug, Default)]
pub(super) struct Kept {
    sessions: Mutex<Sessions>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Sessions {
    /// By their databases; the latest comes last.
    idle: VecDeque<(String, Session)>,
    /// The templates of those that are being made as new.
    in_work: Vec<String>,
}

impl Kept {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the latest one out whose database is cloned from the template; waits for one rather
    /// than have ever more of them in work.
    pub(super) async fn take(&self, template: &str) -> Option<(String, Session)> {
        let is_clone = |database: &str| {
            database
                .strip_prefix(template)
                .is_some_and(|rest| rest.starts_with('_'))
        };
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let Sessions { idle, in_work } = &mut *self.sessions();
                if let Some(latest) = idle.iter().rposition(|(database, _)| is_clone(database)) {
                    return idle.remove(latest);
                }
                if in_work.iter().filter(|of| *of == template).count() < IN_WORK {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Notes that a session is being made as new.
    pub(super) fn begin(&self, template: &str) {
        self.sessions().in_work.push(template.to_owned());
    }

    /// Notes that one no longer is.
    pub(super) fn end(&self, template: &str) {
        let in_work = &mut self.sessions().in_work;
        if let Some(one) = in_work.iter().position(|of| of == template) {
            in_work.swap_remove(one);
        }
        self.changed.notify_waiters();
    }

    /// Keeps a session; gives the oldest one if there are too many.
    #[must_use]
    pub(super) fn put(&self, database: String, session: Session) -> Option<(String, Session)> {
        let idle = &mut self.sessions().idle;
        idle.push_back((database, session));
        (idle.len() > KEPT).then(|| idle.pop_front()).flatten()
    }
}

/// A pool whose first connection is the session; it counts the connections that it makes.
pub(super) async fn pool(
    session: Session,
    settings: PoolOptions<Postgres>,
    options: PgConnectOptions,
    made: Arc<AtomicUsize>,
) -> PgPool {
    let pool = match greeter().await {
        Some(port) => hand_over(session, settings.clone(), port, made).await.ok(),
        None => None,
    };
    match pool {
        Some(pool) => {
            pool.set_connect_options(options);
            pool
        }
        // It does without.
        None => settings.connect_lazy_with(options),
    }
}

async fn hand_over(
    session: Session,
    settings: PoolOptions<Postgres>,
    port: u16,
    made: Arc<AtomicUsize>,
) -> Result<PgPool, sqlx::Error> {
    let greeted = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("nobody")
        .ssl_mode(PgSslMode::Disable);
    let session = Arc::new(Mutex::new(Some(session.connection)));
    settings
        .after_connect(move |connection, _| {
            made.fetch_add(1, Ordering::Relaxed);
            let session = session
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(session) = session {
                *connection = session;
            }
            Box::pin(async { Ok(()) })
        })
        .connect_with(greeted)
        .await
}

/// The port of ours that greets as a server does.
async fn greeter() -> Option<u16> {
    static PORT: OnceCell<Option<u16>> = OnceCell::const_new();
    let listen = async || {
        let listening = background::run(async {
            let failed = |error| crate::Error::new("listen on a port").because(error);
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
            let port = listener.local_addr().map_err(failed)?.port();
            background::start_task(async move {
                while let Ok((client, _)) = listener.accept().await {
                    background::start_task(async move {
                        // A pool that is not greeted connects to the server instead.
                        let _ = greet(client).await;
                    });
                }
            });
            Ok(port)
        });
        listening.await.ok()
    };
    *PORT.get_or_init(listen).await
}

/// Lets the client in and says that the session is ready: the shortest start of one in
/// PostgreSQL's protocol, version 3.
async fn greet(mut client: TcpStream) -> std::io::Result<()> {
    const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    client.set_nodelay(true)?;
    let length = client.read_u32().await?.saturating_sub(4).min(10_000);
    let mut startup = vec![0; usize::try_from(length).unwrap_or_default()];
    client.read_exact(&mut startup).await?;
    client.write_all(GREETING).await
}
