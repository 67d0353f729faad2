//! A Redis server that tests share refuses every command that reaches into others' keyspaces.

use std::collections::BTreeSet;
use std::process::{Command, Output, abort};
use std::time::{Duration, Instant};

use container_test::redis::aio::MultiplexedConnection;
use container_test::redis::{self, AsyncCommands, RedisResult};
use container_test::{Builder, Keyspace, Redis, container_test};

/// A call of every command that is refused: the server counts arguments before it looks at rights.
const CALLS: [&str; 42] = [
    "FLUSHALL",
    "SWAPDB 1 2",
    "MOVE key 2",
    "COPY key key DB 2",
    "MIGRATE 127.0.0.1 1 key 2 100",
    "SHUTDOWN NOSAVE",
    "ACL SETUSER default off",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "REPLICAOF 127.0.0.1 1",
    "SLAVEOF 127.0.0.1 1",
    "FAILOVER",
    "CLUSTER RESET",
    "MODULE UNLOAD any",
    "DEBUG SLEEP 0",
    "SYNC",
    "PSYNC ? -1",
    "CONFIG SET requirepass x maxmemory 1 timeout 1",
    "CONFIG REWRITE",
    "CONFIG RESETSTAT",
    "CLIENT KILL TYPE normal SKIPME no",
    "CLIENT PAUSE 1000",
    "CLIENT UNPAUSE",
    "CLIENT UNBLOCK 1",
    "CLIENT NO-EVICT on",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "FUNCTION LOAD any",
    "FUNCTION DELETE any",
    "FUNCTION FLUSH",
    "FUNCTION RESTORE any",
    "FUNCTION KILL",
    "LATENCY RESET",
    "SLOWLOG RESET",
    "COMMANDLOG RESET slow",
    "MEMORY PURGE",
    "MONITOR",
    "PFDEBUG GETREG key",
    "PFSELFTEST",
    "RESTORE-ASKING key 0 any",
    "FT.CONFIG SET TIMEOUT 1",
];

/// Says which logical database a killed process had.
const NUMBER: &str = "SHARED_REDIS_NUMBER";

/// Settings of the server that no test may change.
const SETTINGS: [&str; 4] = ["requirepass", "maxmemory", "timeout", "save"];

fn command(call: &str) -> redis::Cmd {
    let mut words = call.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    for word in words {
        command.arg(word);
    }
    command
}

/// Returns the rule of the server's access control for a call: subcommands are named with their
/// command.
fn rule_of<'a>(call: &str, rules: &'a [String]) -> Option<&'a str> {
    let call = call.to_lowercase();
    let mut words = call.split(' ');
    let command = words.next()?;
    let with_subcommand = format!("{command}|{}", words.next().unwrap_or_default());
    let is_rule = |rule: &&String| **rule == command || **rule == with_subcommand;
    rules.iter().find(is_rule).map(String::as_str)
}

#[test]
fn every_rule_has_a_call() {
    let source = include_str!("../../runtime/src/redis/share.rs");
    let rules: Vec<String> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"-")?.strip_suffix("\","))
        // Those for older servers are of several words.
        .filter(|rule| !rule.contains(' '))
        .map(str::to_owned)
        .collect();
    assert!(rules.len() > 30, "{rules:?}");
    let called: BTreeSet<&str> = CALLS
        .iter()
        .map(|call| rule_of(call, &rules).unwrap_or_else(|| panic!("no rule for `{call}`")))
        .collect();
    let not_called = rules.iter().filter(|rule| !called.contains(rule.as_str()));
    assert_eq!(not_called.collect::<Vec<_>>(), [""; 0]);
}

async fn settings(redis: &mut MultiplexedConnection) -> RedisResult<Vec<(String, String)>> {
    let mut all = Vec::new();
    // Redis 6.2 takes one at a time.
    for setting in SETTINGS {
        let mut get = redis::cmd("CONFIG");
        let values: Vec<(String, String)> = get.arg("GET").arg(setting).query_async(redis).await?;
        all.extend(values);
    }
    Ok(all)
}

/// Whether the server lacks what came with Redis 7.
async fn is_older_than_7(redis: &mut MultiplexedConnection) -> RedisResult<bool> {
    let about: String = redis::cmd("INFO").arg("server").query_async(redis).await?;
    Ok(about.contains("redis_version:6."))
}

#[container_test(redis)]
async fn every_call_is_refused_and_a_neighbour_sees_no_effect(
    mut redis: MultiplexedConnection,
    keyspace: Keyspace,
) -> anyhow::Result<()> {
    let neighbour = Builder::new("neighbour", env!("CARGO_MANIFEST_DIR")).service(Redis::default());
    let neighbour = Box::pin(neighbour.start()).await?;
    let mut other: MultiplexedConnection = neighbour.get().await?;
    let () = other.set("key", "the neighbour's").await?;
    let script: String = command("SCRIPT LOAD return")
        .query_async(&mut other)
        .await?;
    let () = redis.set("key", "mine").await?;
    let before = settings(&mut other).await?;

    let mut unknown = Vec::new();
    for call in CALLS {
        let refused: RedisResult<redis::Value> = command(call).query_async(&mut redis).await;
        match refused {
            Ok(value) => panic!("`{call}` was not refused: {value:?}"),
            Err(error) if error.code() == Some("NOPERM") => {}
            // The server's settings refuse it before its access control does.
            Err(error) if error.to_string().contains("command not allowed") => {}
            Err(error) if error.to_string().to_lowercase().contains("unknown") => {
                unknown.push(call);
            }
            Err(error) => panic!("`{call}` was not refused, but failed: {error}"),
        }
    }
    println!("this server does not have: {unknown:?}");
    if is_older_than_7(&mut other).await? {
        unknown.retain(|call| !call.starts_with("FUNCTION ") && *call != "CLIENT NO-EVICT on");
    }
    assert!(unknown.len() < 5, "{unknown:?}");

    assert_eq!(settings(&mut other).await?, before);
    assert_eq!(other.get::<_, String>("key").await?, "the neighbour's");
    let known: Vec<bool> = redis::cmd("SCRIPT")
        .arg("EXISTS")
        .arg(script)
        .query_async(&mut other)
        .await?;
    assert_eq!(known, [true]);
    let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut other).await?;
    assert_eq!(
        role.first(),
        Some(&redis::Value::BulkString(b"master".to_vec()))
    );
    // The password is still right.
    let client = redis::Client::open(keyspace.url())?;
    let mut again = client.get_multiplexed_async_connection().await?;
    assert_eq!(again.get::<_, String>("key").await?, "mine");
    neighbour.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_policy_that_may_remove_the_list_of_claims_is_refused_with_the_reason() {
    let policy = ["--maxmemory-policy", "allkeys-lru"];
    // As managed servers do, the second one does not tell its settings.
    let silent = ["--rename-command", "CONFIG", ""];
    for args in [policy.to_vec(), [&policy[..], &silent].concat()] {
        let mut service = Redis::default();
        service.args = args.into_iter().map(str::to_owned).collect();
        let test = Builder::new("eviction", env!("CARGO_MANIFEST_DIR")).service(service);
        let report = match Box::pin(test.start()).await {
            Ok(_) => panic!("it was not refused"),
            Err(error) => error.report(),
        };
        for part in [
            "its maxmemory-policy is allkeys-lru, which may remove the list of claimed databases",
            "help: use `redis(isolation = \"server\")`, or another policy",
        ] {
            assert!(report.contains(part), "{report}");
        }
    }
}

/// Returns a test on a server that only tests with the same number have.
fn of_its_own(number: u8) -> Builder {
    let mut service = Redis::default();
    service.args = vec!["--hz".to_owned(), number.to_string()];
    Builder::new("told", env!("CARGO_MANIFEST_DIR")).service(service)
}

/// Connects to a logical database as the administrator of a keyspace's server.
async fn administrator(keyspace: &str, number: &str) -> RedisResult<MultiplexedConnection> {
    let server = keyspace
        .rsplit_once('/')
        .map_or(keyspace, |(server, _)| server);
    let server = server.replacen("//default:", "//container-test:", 1);
    let client = redis::Client::open(format!("{server}/{number}"))?;
    client.get_multiplexed_async_connection().await
}

/// Runs one of the tests below in a process of its own.
fn process(test: &str, number: &str) -> std::io::Result<Output> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(NUMBER, number)
        .output()
}

#[tokio::test]
async fn a_server_that_does_not_know_what_to_deny_is_told_again() -> anyhow::Result<()> {
    let services = Box::pin(of_its_own(11).start()).await?;
    let keyspace: Keyspace = services.get().await?;
    let mut administrator = administrator(keyspace.url(), "0").await?;
    // What the server was told before it was started again, which kept its data.
    let () = administrator.set("container-test:denied", "before").await?;
    let allow = command("ACL SETUSER default +flushall");
    let () = allow.query_async(&mut administrator).await?;

    let refused = process("is_refused", "")?;
    assert!(refused.status.success(), "{refused:?}");
    services.stop().await;
    Ok(())
}

#[tokio::test]
#[ignore = "a process that another test starts"]
async fn is_refused() -> anyhow::Result<()> {
    let services = Box::pin(of_its_own(11).start()).await?;
    let mut redis: MultiplexedConnection = services.get().await?;
    let refused: RedisResult<()> = command("FLUSHALL").query_async(&mut redis).await;
    let error = refused.unwrap_err();
    assert_eq!(error.code(), Some("NOPERM"), "{error}");
    services.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_a_killed_process_had_is_freed_by_the_next() -> anyhow::Result<()> {
    // The server stays meanwhile.
    let services = Box::pin(of_its_own(12).start()).await?;
    let killed = process("is_killed", "")?;
    let said = String::from_utf8_lossy(&killed.stdout).into_owned();
    let (_, said) = said.split_once("NUMBER ").expect(&said);
    let number = said.lines().next().unwrap();
    assert!(!killed.status.success(), "{killed:?}");

    let freed = process("frees", number)?;
    assert!(freed.status.success(), "{freed:?}");
    services.stop().await;
    Ok(())
}

#[tokio::test]
#[ignore = "a process that another test starts"]
async fn is_killed() -> anyhow::Result<()> {
    let services = Box::pin(of_its_own(12).start()).await?;
    let keyspace: Keyspace = services.get().await?;
    let mut redis: MultiplexedConnection = services.get().await?;
    let () = redis.set("key", "of a killed process").await?;
    let (_, number) = keyspace.url().rsplit_once('/').unwrap();
    println!("\nNUMBER {number}");
    abort();
}

#[tokio::test]
#[ignore = "a process that another test starts"]
async fn frees() -> anyhow::Result<()> {
    let number = std::env::var(NUMBER)?;
    let services = Box::pin(of_its_own(12).start()).await?;
    let keyspace: Keyspace = services.get().await?;
    let mut registry = administrator(keyspace.url(), "0").await?;
    let begun = Instant::now();
    while registry.hexists("container-test:claims", &number).await? {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is claimed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut freed = administrator(keyspace.url(), &number).await?;
    assert_eq!(freed.exists::<_, u32>("key").await?, 0);
    services.stop().await;
    Ok(())
}
