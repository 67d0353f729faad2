//! What dead processes had claimed, and who is connected.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use redis::RedisResult;

use super::lease;
use super::scripts::{CLAIMS, RELEASE, RETAINED, script};
use super::server::Server;
use crate::lifecycle::holder;
use crate::service::Address;

/// How long a holder elsewhere may be without a connection before its process counts as dead:
/// longer than it takes to renew a lease.
const PATIENCE_WITH_HOLDERS: Duration = Duration::from_secs(30);

impl Server {
    /// Returns whether no connection is in the logical database.
    pub(super) async fn is_left(&self, number: i64) -> RedisResult<bool> {
        Ok(!self.clients().await?.databases.contains(&number))
    }

    pub(super) async fn clients(&self) -> RedisResult<Clients> {
        let list: String = self.ask(redis::cmd("CLIENT").arg("LIST")).await?;
        Ok(Clients::parse(&list))
    }

    /// Empties a database if it is the holder's, and gives it back if asked to; returns whether it
    /// was the holder's.
    pub(super) async fn release(
        &self,
        number: i64,
        holder: &str,
        give_back: bool,
    ) -> RedisResult<bool> {
        let ours = matches!(self.endpoint.address(), Address::Started { .. });
        let mut release = script(RELEASE);
        release
            .arg(self.registry)
            .arg(number)
            .arg(holder)
            .arg(i32::from(give_back))
            .arg(i32::from(ours));
        self.ask(&release).await
    }

    /// Frees what processes that are gone had claimed.
    pub(super) async fn free_abandoned(&self) -> RedisResult<()> {
        let claims: Vec<(i64, String)> = self.ask(redis::cmd("HGETALL").arg(CLAIMS)).await?;
        let lives = |holder: &str| {
            let known = holder == self.lease.holder || holder == RETAINED;
            known || holder::is_alive(lease::parts(holder).1) == Some(true)
        };
        if claims.iter().all(|(_, holder)| lives(holder)) {
            return Ok(());
        }
        let clients = self.clients().await?;
        let gone = self.gone_holders(&claims, &clients);
        for (number, holder) in &claims {
            // What others are in now is not emptied.
            if gone.contains(holder.as_str()) && !clients.databases.contains(number) {
                self.release(*number, holder, true).await?;
            }
        }
        Ok(())
    }

    /// Returns the holders whose processes are dead.
    fn gone_holders<'a>(&self, claims: &'a [(i64, String)], clients: &Clients) -> HashSet<&'a str> {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|holder, _| claims.iter().any(|(_, of)| of == holder));
        let holders = claims.iter().map(|(_, holder)| holder.as_str());
        let holders: HashSet<&str> = holders.filter(|holder| *holder != RETAINED).collect();
        let is_gone = |holder: &&str| {
            let (name, process) = lease::parts(holder);
            if clients.names.contains(name) {
                missing.remove(*holder);
                return false;
            }
            // Nothing is known of processes elsewhere but that they would have come back by now.
            holder::is_alive(process).map_or_else(
                || {
                    let since = missing.entry((*holder).to_owned());
                    since.or_insert_with(Instant::now).elapsed() > PATIENCE_WITH_HOLDERS
                },
                |alive| !alive,
            )
        };
        holders.into_iter().filter(is_gone).collect()
    }
}

/// Who is connected.
pub(super) struct Clients {
    names: HashSet<String>,
    /// The logical databases that they are in.
    pub(super) databases: HashSet<i64>,
}

impl Clients {
    fn parse(list: &str) -> Self {
        let values = |field: &'static str| {
            list.split([' ', '\n'])
                .filter_map(move |pair| pair.strip_prefix(field)?.strip_prefix('='))
        };
        Self {
            names: values("name").map(str::to_owned).collect(),
            databases: values("db").filter_map(|db| db.parse().ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_name_and_database() {
        let clients = Clients::parse("id=3 name=ct db=0 user=x\nid=4 name= db=7 cmd=get\n");
        assert!(clients.names.contains("ct"));
        assert_eq!(clients.databases, HashSet::from([0, 7]));
    }
}
