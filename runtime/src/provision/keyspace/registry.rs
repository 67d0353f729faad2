//! Which process holds which logical database.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Cmd;

use super::{Claim, Server};
use crate::provider::Address;
use crate::{Error, Result, background, report};

/// How long tests wait for a keyspace on a server that has few.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long the connections of a test that has ended may take to leave.
const PATIENCE_WITH_TEST: Duration = Duration::from_millis(250);

/// The registry's key.
const CLAIMS: &str = "container-test:claims";

/// Claims the first database that nobody holds and that is empty; tells by -1 that none is and
/// that none is held either.
const CLAIM: &str = "
    local registry, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
    for number = 0, limit - 1 do
        if number ~= registry and redis.call('HEXISTS', KEYS[1], number) == 0 then
            redis.call('SELECT', number)
            local keys = redis.call('DBSIZE')
            redis.call('SELECT', registry)
            if keys == 0 then
                redis.call('HSET', KEYS[1], number, ARGV[3])
                return number
            end
        end
    end
    return redis.call('EXISTS', KEYS[1]) == 0 and -1";

/// Empties a database and gives it back, unless it is kept, if its holder is who it says.
const RELEASE: &str = "
    local registry, number = tonumber(ARGV[1]), tonumber(ARGV[2])
    if redis.call('HGET', KEYS[1], number) ~= ARGV[3] then return 0 end
    redis.call('SELECT', number)
    redis.call('FLUSHDB', 'ASYNC')
    redis.call('SELECT', registry)
    if ARGV[4] == '0' then redis.call('HDEL', KEYS[1], number) end
    return 1";

impl Server {
    /// Gives a test a keyspace of its own.
    pub(super) async fn claim(self: Arc<Self>) -> Result<Claim> {
        let spare = self.spare().pop();
        if let Some(number) = spare {
            return Ok(Claim {
                server: self,
                number,
            });
        }
        Box::pin(background::run(async move {
            let failed = |error: redis::RedisError| Error::new("claim a Redis keyspace").because(error);
            let (begun, mut told) = (Instant::now(), false);
            loop {
                let claimed: Option<i64> = self
                    .script(CLAIM, self.databases, &self.lease_name)
                    .query_async(&mut self.lease.clone())
                    .await
                    .map_err(failed)?;
                match claimed {
                    // Nobody will give one back.
                    Some(-1) => return Err(self.all_hold_keys()),
                    Some(number) => return Ok(Claim { server: self, number }),
                    None => {}
                }
                self.free_abandoned().await.map_err(failed)?;
                if !told && begun.elapsed() > Duration::from_secs(5) {
                    told = true;
                    report::progress(&format!("waiting for a free keyspace on the {}", self.endpoint.place));
                }
                if begun.elapsed() > PATIENCE {
                    return Err(Error::new("claim a Redis keyspace")
                        .because(format!("all {} logical databases are claimed or hold keys of others", self.databases))
                        .with_help("run fewer tests at the same time, or give the server more with `databases`"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }))
        .await
    }

    fn all_hold_keys(&self) -> Error {
        let Self {
            databases,
            registry,
            endpoint,
            ..
        } = self;
        Error::new("claim a Redis keyspace")
            .because(format!(
                "of its {databases} logical databases, all but number {registry}, which tests do \
                 not get, hold keys of others"
            ))
            .note(format!("on the {}", endpoint.place))
            .with_help(
                "remove the keys of one if nobody needs them, give the server more databases with \
                 `databases`, or name another server in CONTAINER_TEST_REDIS_URL",
            )
    }

    /// The call of a script on the registry.
    fn script(&self, text: &str, number: i64, holder: &str) -> Cmd {
        let mut call = redis::cmd("EVAL");
        call.arg(text)
            .arg(1)
            .arg(CLAIMS)
            .arg(self.registry)
            .arg(number)
            .arg(holder);
        call
    }

    /// Empties the keyspace of a test of ours, for the next one.
    pub(super) async fn recycle(&self, number: i64) -> redis::RedisResult<()> {
        // Where there are few, others may need it.
        let keep = matches!(self.endpoint.address, Address::Ours { .. });
        if self.release(number, &self.lease_name, keep).await? && keep {
            self.spare().push(number);
        }
        Ok(())
    }

    fn spare(&self) -> MutexGuard<'_, Vec<i64>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties a keyspace and gives it back, unless its holder keeps it; tells whether it was
    /// the holder's.
    async fn release(&self, number: i64, holder: &str, keep: bool) -> redis::RedisResult<bool> {
        // What a test has sent without waiting for the answer is still carried out: its
        // connections leave after that. Which database they are in shows once the server has
        // accepted them, and then read from them: it does either between two answers.
        for _ in 0..2 {
            let _: String = redis::cmd("PING")
                .query_async(&mut self.lease.clone())
                .await?;
        }
        let within = format!("db={number}");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE_WITH_TEST {
            let clients: String = redis::cmd("CLIENT")
                .arg("LIST")
                .query_async(&mut self.lease.clone())
                .await?;
            if !clients.split([' ', '\n']).any(|field| field == within) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut call = self.script(RELEASE, number, holder);
        call.arg(i32::from(keep))
            .query_async(&mut self.lease.clone())
            .await
    }

    /// Gives back what processes that are gone had claimed.
    pub(super) async fn free_abandoned(&self) -> redis::RedisResult<()> {
        let (claims, clients): (Vec<(i64, String)>, String) = redis::pipe()
            .hgetall(CLAIMS)
            .cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut self.lease.clone())
            .await?;
        let alive: HashSet<&str> = clients
            .lines()
            .filter_map(|line| {
                line.split(' ')
                    .find_map(|field| field.strip_prefix("name="))
            })
            .collect();
        for (number, holder) in claims
            .iter()
            .filter(|(_, holder)| !alive.contains(holder.as_str()))
        {
            self.release(*number, holder, false).await?;
        }
        Ok(())
    }
}
