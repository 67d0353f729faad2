//! A stranger's keys and clients beside the keyspaces of tests.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use container_test_tests::servers::Redis;
use redis::{Client, Commands, Connection, RedisResult};

/// How often it writes into each database that is not named for tests.
const POLL: Duration = Duration::from_millis(100);

/// Databases that it stays in without a command, for as long as the server lets it.
const IDLES_IN: [u32; 3] = [0, 3, 5];

/// A stranger writes a key into every database, again and again, and stays in some.
pub(crate) struct ForeignKeys {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Written>,
}

/// The keys that were written, with their values.
pub(crate) struct Written(BTreeMap<(u32, String), u32>);

impl ForeignKeys {
    /// Begins to write into these databases.
    pub(crate) fn write(redis: &Redis, databases: Range<u32>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (until, url) = (Arc::clone(&ended), redis.url());
        let mut written = Written(BTreeMap::new());
        let thread = thread::spawn(move || {
            let mut idle = IDLES_IN.map(|number| connect(&url, number));
            for round in 1.. {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                if round % 20 == 0 {
                    // The server has ended them meanwhile.
                    idle = IDLES_IN.map(|number| connect(&url, number));
                }
                for database in databases.clone() {
                    let key = format!("foreign:{round}");
                    let set: RedisResult<()> = connect(&url, database).set(&key, round);
                    set.unwrap();
                    written.0.insert((database, key), round);
                }
                sleep(POLL);
            }
            drop(idle);
            written
        });
        Self { ended, thread }
    }

    /// Ends it, and returns what it has written.
    pub(crate) fn end(self) -> Written {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Written {
    /// How many keys were written.
    pub(crate) fn written(&self) -> usize {
        self.0.len()
    }

    /// Keys that are gone, changed, or were not written by it.
    pub(crate) fn changed(&self, redis: &Redis) -> Vec<String> {
        let mut changed = Vec::new();
        for ((database, key), value) in &self.0 {
            let found: RedisResult<Option<u32>> = connect(&redis.url(), *database).get(key);
            if found.as_ref().ok() != Some(&Some(*value)) {
                changed.push(format!("{database} {key}: {found:?}"));
            }
        }
        let found = redis.keys().into_keys();
        changed.extend(found.filter(|name| {
            let (database, key) = name.split_once(' ').unwrap();
            let key = (database.parse().unwrap(), key.to_owned());
            !self.0.contains_key(&key)
        }));
        changed
    }
}

fn connect(url: &str, database: u32) -> Connection {
    let client = Client::open(format!("{url}/{database}")).unwrap();
    client.get_connection().unwrap()
}
