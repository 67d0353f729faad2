//! What makes a server fit for tests that share it: they may not reach into each other's keyspaces,
//! and the lease of this process is looked at.

use std::hash::{DefaultHasher, Hash};
use std::sync::Arc;

use redis::{RedisError, RedisResult, Value};

use super::options::{TEST_USER, failed};
use super::scripts::DENIED;
use super::server::{Server, is_before};
use crate::background::watch_lease;
use crate::hash::short;
use crate::service::Address;
use crate::{Error, Result};

/// What reaches into other tests' keyspaces, as rules of the server's access control. A server
/// does not know each of them.
const RULES: [&str; 42] = [
    "-flushall",
    "-swapdb",
    "-move",
    "-copy",
    "-migrate",
    "-shutdown",
    "-acl",
    "-save",
    "-bgsave",
    "-bgrewriteaof",
    "-replicaof",
    "-slaveof",
    "-failover",
    "-cluster",
    "-module",
    "-debug",
    "-sync",
    "-psync",
    "-config|set",
    "-config|rewrite",
    "-config|resetstat",
    "-client|kill",
    "-client|pause",
    "-client|unpause",
    "-client|unblock",
    "-client|no-evict",
    "-script|flush",
    "-script|kill",
    "-function|load",
    "-function|delete",
    "-function|flush",
    "-function|restore",
    "-function|kill",
    "-latency|reset",
    "-slowlog|reset",
    "-commandlog|reset",
    "-memory|purge",
    "-monitor",
    "-pfdebug",
    "-pfselftest",
    "-restore-asking",
    "-ft.config",
];

/// The same for subcommands on servers before Redis 7, which cannot deny one: the command is denied,
/// and its other subcommands are allowed.
const RULES_BEFORE_7: [&str; 6] = [
    "-config +config|get +config|help",
    "-client +client|caching +client|getname +client|getredir +client|help +client|id \
     +client|info +client|list +client|reply +client|setname +client|tracking \
     +client|trackinginfo",
    "-script +script|debug +script|exists +script|help +script|load",
    "-latency +latency|doctor +latency|graph +latency|help +latency|history +latency|latest",
    "-slowlog +slowlog|get +slowlog|help +slowlog|len",
    "-memory +memory|doctor +memory|help +memory|malloc-stats +memory|stats +memory|usage",
];

impl Server {
    /// Prepares the server for tests that share it, once per process. Must be called on the background
    /// thread.
    pub(super) async fn share(self: &Arc<Self>) -> Result<()> {
        self.refuse_eviction()?;
        let share = async || {
            match self.endpoint.address() {
                Address::Started { .. } => {
                    self.restrict_tests().await?;
                    // The server has other numbers for the test, which does not wait.
                    let server = Arc::clone(self);
                    tokio::spawn(async move { server.free_abandoned().await });
                }
                Address::Given(_) => self.free_abandoned().await?,
            }
            watch_lease(self, |server| async move {
                let _ = server.renew().await;
            });
            self.keep_noting();
            Ok::<_, RedisError>(())
        };
        let shared = self.shared.get_or_try_init(share).await;
        shared.copied().map_err(failed("share the server"))
    }

    /// The registry is a key: a server that removes keys at will could give one logical database to
    /// two tests.
    fn refuse_eviction(&self) -> Result<()> {
        match &self.eviction {
            Some(policy) if policy.starts_with("allkeys") => Err(Error::new("share the server")
                .because(format!(
                    "its maxmemory-policy is {policy}, which may remove the list of claimed databases"
                ))
                .with_help("use `redis(isolation = \"server\")`, or another policy")),
            _ => Ok(()),
        }
    }

    /// Denies tests what would reach into other tests' keyspaces, unless another process has.
    async fn restrict_tests(&self) -> RedisResult<()> {
        let mut hasher = DefaultHasher::new();
        (&self.run, RULES, RULES_BEFORE_7).hash(&mut hasher);
        let denied = short(&hasher);
        if self.denied.as_ref() == Some(&denied) {
            return Ok(());
        }
        let mut rules = redis::pipe();
        let mut set = |words: &[&str]| {
            rules.cmd("ACL").arg("SETUSER").arg(TEST_USER).arg(words);
        };
        for rule in RULES {
            set(&[rule]);
        }
        if is_before(&self.version, (7, 0)) {
            for words in RULES_BEFORE_7 {
                set(&words.split(' ').collect::<Vec<_>>());
            }
        }
        rules.cmd("SET").arg(DENIED).arg(denied);
        // Rules that this version does not know are refused one by one.
        rules.ignore_errors();
        let mut connection = self.lease.connection();
        let _: Vec<RedisResult<Value>> = rules.query_async(&mut connection).await?;
        Ok(())
    }
}
