//! Which process holds which logical database.
//!
//! The registry is a hash in one logical database: the numbers of claimed databases, and who holds
//! them. On a server of ours every test gets a number that no test had before, or else long ago, so
//! that what an earlier test handed out leads nowhere. On a server given by URL numbers are scarce
//! and used again; there only databases are claimed that the user has named, or that are empty on
//! a server that holds no data at all.

use std::time::{Duration, Instant};

use redis::RedisResult;

use super::numbers::named;
use super::options::failed;
use super::scripts::{CLAIM_NEW, CLAIM_ONE, CLAIMS, RETAINED, script};
use super::server::Server;
use crate::service::Address;
use crate::{Error, Result, report};

/// How long tests wait for a keyspace on a server that has few.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long the connections of a test that has ended may take to leave.
const PATIENCE_WITH_TEST: Duration = Duration::from_millis(250);

/// How old a server given by URL must be, in seconds. One that was started again has forgotten all
/// claims: processes that live look at their leases more often than this, and claim again.
const OLD_ENOUGH: u64 = 4;

/// Numbers that a process with many tests claims at a time.
const BATCH: usize = 8;

/// A process keeps the numbers that its tests have used to itself until they are this part of all.
const SHARE: i64 = 4;

impl Server {
    /// Claims a logical database for one test; `batch` says whether the process has more tests.
    pub(super) async fn claim(&self, databases: Option<&str>, batch: bool) -> Result<i64> {
        let named = databases.map(named).transpose()?;
        let (begun, mut told) = (Instant::now(), false);
        loop {
            let claimed = match self.endpoint.address() {
                Address::Started { .. } => self.claim_new(batch).await,
                Address::Given(_) => self.claim_one(named.as_deref()).await?,
            };
            if let Some(number) = claimed.map_err(failed("claim a Redis keyspace"))? {
                self.numbers().taken.insert(number);
                return Ok(number);
            }
            self.free_abandoned()
                .await
                .map_err(failed("claim a Redis keyspace"))?;
            if !told && begun.elapsed() > report::SILENCE {
                told = true;
                let server = self.endpoint.description();
                report::progress(&format!("waiting for a free keyspace on the {server}"));
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::new("claim a Redis keyspace")
                    .because("all logical databases that tests may have are in use")
                    .with_help(
                        "run fewer tests at the same time, name more databases in \
                         CONTAINER_TEST_REDIS_DATABASES, or give the server more with `databases`",
                    ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns a number that no test had, or of those that were freed the first one; if the server
    /// has no more of them, the one that this process released first and has no connection in.
    async fn claim_new(&self, batch: bool) -> RedisResult<Option<i64>> {
        if let Some(number) = self.numbers().fresh.pop() {
            return Ok(Some(number));
        }
        let mut claim = script(CLAIM_NEW);
        claim
            .arg(self.databases)
            .arg(&self.lease.holder)
            .arg(if batch { BATCH } else { 1 });
        let mut numbers: Vec<i64> = self.ask(&claim).await?;
        if let Some(number) = numbers.pop() {
            self.numbers().fresh.extend(numbers);
            return Ok(Some(number));
        }
        let Some(oldest) = self.numbers().used.pop_front() else {
            return Ok(None);
        };
        if self.is_left(oldest).await? && self.release(oldest, &self.lease.holder, false).await? {
            return Ok(Some(oldest));
        }
        self.numbers().used.push_back(oldest);
        Ok(None)
    }

    /// Claims one of the databases of a server given by URL; an error of ours if it will not have
    /// a free one however long we wait.
    async fn claim_one(&self, named: Option<&[i64]>) -> Result<RedisResult<Option<i64>>> {
        match self.uptime().await {
            Ok(seconds) if seconds < OLD_ENOUGH => return Ok(Ok(None)),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
        let clients = match self.clients().await {
            Ok(clients) => clients,
            Err(error) => return Ok(Err(error)),
        };
        let all: Vec<i64> = (0..self.databases).collect();
        let candidates: Vec<i64> = named
            .unwrap_or(&all)
            .iter()
            .copied()
            .filter(|number| *number != self.registry && *number < self.databases)
            // Its connections are not ours: no test has it.
            .filter(|number| named.is_some() || !clients.databases.contains(number))
            .collect();
        if named.is_some() && candidates.is_empty() {
            return Err(Error::new("claim a Redis keyspace")
                .because(format!(
                    "the server has databases 0 to {}, number {} holds the list of claims, and \
                     CONTAINER_TEST_REDIS_DATABASES names no other",
                    self.databases - 1,
                    self.registry
                ))
                .with_help("name databases that the server has"));
        }
        let mut claim = script(CLAIM_ONE);
        claim
            .arg(self.registry)
            .arg(self.databases)
            .arg(&self.lease.holder)
            .arg(i32::from(named.is_some()))
            .arg(self.last_used_last(candidates));
        let claimed: RedisResult<Option<i64>> = self.ask(&claim).await;
        let Ok(Some(number)) = claimed else {
            return Ok(claimed);
        };
        if number == -1 {
            return Err(self.holds_data());
        }
        // Another client may have come since.
        match (named, self.is_left(number).await) {
            (None, Ok(false)) => Ok(self.forget(number).await.map(|()| None)),
            (_, Ok(_)) => Ok(Ok(Some(number))),
            (_, Err(error)) => Ok(Err(error)),
        }
    }

    /// Returns the numbers in an order that uses each as rarely as possible.
    fn last_used_last(&self, mut numbers: Vec<i64>) -> Vec<i64> {
        let used = &self.numbers().used;
        numbers.sort_by_key(|number| used.iter().rposition(|used| used == number));
        numbers
    }

    fn holds_data(&self) -> Error {
        Error::new("claim a Redis keyspace")
            .because("the server holds data, and no logical databases are named for tests")
            .note(format!("on the {}", self.endpoint.description()))
            .with_help(
                "name databases that tests may empty, such as CONTAINER_TEST_REDIS_DATABASES=8-15, \
                 or name a server without data in CONTAINER_TEST_REDIS_URL",
            )
    }

    /// Frees the database of a test that has ended. One that may still be used is put aside
    /// until this process ends.
    pub(super) async fn give_back(&self, number: i64, dirty: bool) -> RedisResult<()> {
        self.numbers().unnoted.remove(&number);
        if let Address::Started { .. } = self.endpoint.address() {
            // It is never used again, or as late as possible.
            self.release(number, &self.lease.holder, false).await?;
            if !dirty {
                let mut numbers = self.numbers();
                numbers.taken.remove(&number);
                numbers.used.push_back(number);
            }
            return self.share_used().await;
        }
        if dirty {
            return Ok(());
        }
        // What a test has sent without waiting for the answer is still carried out: its
        // connections leave after that. In which database they are shows once the server has
        // accepted them, and has then read from them: it does either between two answers.
        for _ in 0..2 {
            let _: String = self.ask(&redis::cmd("PING")).await?;
        }
        let begun = Instant::now();
        while !self.is_left(number).await? {
            if begun.elapsed() > PATIENCE_WITH_TEST {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.numbers().note_use(number);
        self.numbers().taken.remove(&number);
        self.release(number, &self.lease.holder, true).await?;
        Ok(())
    }

    /// Gives the numbers that were used first to all processes, once this one has many: a server
    /// may have no more than a few hundred.
    async fn share_used(&self) -> RedisResult<()> {
        let many = usize::try_from(self.databases / SHARE).unwrap_or(usize::MAX);
        let first: Vec<i64> = {
            let used = &mut self.numbers().used;
            if used.len() < many {
                return Ok(());
            }
            used.drain(..BATCH.min(used.len())).collect()
        };
        let clients = self.clients().await?;
        for number in first {
            if clients.databases.contains(&number) {
                self.numbers().used.push_back(number);
            } else {
                self.release(number, &self.lease.holder, true).await?;
            }
        }
        Ok(())
    }

    /// Leaves a database to people who want to look at it, for as long as the server knows of it.
    pub(super) async fn retain(&self, number: i64) -> RedisResult<()> {
        self.note_all().await?;
        let retain = redis::cmd("HSET")
            .arg(CLAIMS)
            .arg(number)
            .arg(RETAINED)
            .clone();
        self.ask(&retain).await
    }

    /// Frees a number that was claimed and not used.
    async fn forget(&self, number: i64) -> RedisResult<()> {
        self.ask(redis::cmd("HDEL").arg(CLAIMS).arg(number)).await
    }

    /// Claims again what this process has: the server may have been started again, and have
    /// forgotten it.
    pub(super) async fn claim_again(&self) -> RedisResult<()> {
        let numbers: Vec<i64> = {
            let numbers = self.numbers();
            let taken = numbers.taken.iter().copied();
            match self.endpoint.address() {
                Address::Started { .. } => taken
                    .chain(numbers.fresh.iter().copied())
                    .chain(numbers.used.iter().copied())
                    .collect(),
                // What was used is free.
                Address::Given(_) => taken.collect(),
            }
        };
        if numbers.is_empty() {
            return Ok(());
        }
        let mut claims = redis::pipe();
        for number in numbers {
            claims
                .cmd("HSETNX")
                .arg(CLAIMS)
                .arg(number)
                .arg(&self.lease.holder)
                .ignore();
        }
        claims.query_async(&mut self.lease.connection()).await
    }
}
