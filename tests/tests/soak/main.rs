//! Many runs of one suite, from two checkouts at once, some of them killed and some stopped for a
//! while: no test sees data of another one, and nothing is left at the end.
//!
//! `CONTAINER_TEST_SOAK=200` says how many runs there are per kind of servers, and
//! `CONTAINER_TEST_SOAK_SEED` repeats what a seed that was printed has decided.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

mod checkout;
mod plan;
mod run;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use container_test_tests::engine::Engine;
use container_test_tests::local::Local;
use container_test_tests::processes;
use container_test_tests::project::Project;
use container_test_tests::servers::{Postgres, Redis};
use tempfile::TempDir;

use checkout::{Checkout, Environment, Figures};
use plan::Plan;

/// Runs on each kind of servers, unless the environment says how many.
const FEW: usize = 6;

/// How long a server stays without a connection, in seconds: so that some runs meet one that ends.
const IDLE: &str = "2";

/// Has each checkout compiled by itself: Cargo takes those of one name for the same.
const FEATURE: &str = "another";

/// When nothing may be left after the end of the last run.
const DEADLINE: Duration = Duration::from_secs(15);

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

/// Says which runs there are.
fn plan() -> Plan {
    let runs = number("CONTAINER_TEST_SOAK").map_or(FEW, |runs| usize::try_from(runs).unwrap());
    let seed = number("CONTAINER_TEST_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{runs} runs, CONTAINER_TEST_SOAK_SEED={seed}");
    Plan::new(runs, seed)
}

/// Two directories with the same crate.
fn checkouts(project: &Project) -> [Checkout<'_>; 2] {
    [
        Checkout::compile(project, project.path(), &[]),
        Checkout::compile(
            project,
            project.another_checkout(),
            &["--features", FEATURE],
        ),
    ]
}

/// Runs the suite from all checkouts at once.
fn soak(checkouts: &[Checkout<'_>], plan: &Plan, environment: &Environment) -> Figures {
    let begun = Instant::now();
    // Whichever checkout is free carries out the next one.
    let runs = Mutex::new(plan.runs().iter().copied());
    let figures = thread::scope(|scope| {
        let running: Vec<_> = checkouts
            .iter()
            .map(|checkout| scope.spawn(|| checkout.carry_out(&runs, environment)))
            .collect();
        let figures = running.into_iter().map(|running| running.join().unwrap());
        figures.fold(Figures::default(), Figures::and)
    });
    println!("{figures}, {:.0?}", begun.elapsed());
    figures
}

/// A directory for what runs have beside their servers.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    // The servers' user is another one if we are root.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    for part in ["tmp", "data"] {
        fs::create_dir(directory.path().join(part)).unwrap();
    }
    directory
}

/// Processes and files of the runs that exist now.
fn left_here(environment: &Environment) -> Vec<String> {
    let processes = processes::with_variable("USER", environment.user());
    let processes = processes
        .into_iter()
        .map(|process| format!("process {}: {}", process.id, process.command));
    let files = fs::read_dir(environment.temporary()).unwrap();
    let files = files.map(|file| format!("file {}", file.unwrap().path().display()));
    processes.chain(files).collect()
}

/// What is left once its time is over.
fn left_in_time(left: impl Fn() -> Vec<String>) -> Vec<String> {
    let since = Instant::now();
    loop {
        let now = left();
        if now.is_empty() {
            println!("nothing is left {:.1?} after the end", since.elapsed());
        }
        if now.is_empty() || since.elapsed() > DEADLINE {
            return now;
        }
        thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn runs_on_programs_of_the_machine_see_their_own_data_and_leave_nothing() {
    let (directory, plan) = (directory(), plan());
    let project = Project::new("soak", &[FEATURE], env!("CARGO_TARGET_TMPDIR"));
    let checkouts = checkouts(&project);
    let data = directory.path().join("data");
    let local = Local::watch(&data);
    let environment = Environment::new(&directory)
        .with("CONTAINER_TEST_PROVIDER", "local")
        .with("CONTAINER_TEST_DATA_DIR", &data.display().to_string())
        .with("CONTAINER_TEST_IDLE", IDLE);
    let figures = soak(&checkouts, &plan, &environment);
    println!(
        "{} servers of PostgreSQL and {} of Redis were started",
        local.servers("postgres"),
        local.servers("redis")
    );
    figures.check();
    let left = left_in_time(|| [local.left(), left_here(&environment)].concat());
    assert_eq!(left, [""; 0]);
}

#[test]
fn runs_in_containers_see_their_own_data_and_leave_nothing() {
    let (directory, plan) = (directory(), plan());
    let project = Project::new("soak", &[FEATURE], env!("CARGO_TARGET_TMPDIR"));
    let checkouts = checkouts(&project);
    let engine = Engine::connect();
    let environment = Environment::new(&directory)
        .with("CONTAINER_TEST_PROVIDER", "docker")
        .with("CONTAINER_TEST_IDLE", IDLE);
    let figures = soak(&checkouts, &plan, &environment);
    let created = engine.created(environment.user());
    println!("containers that were created: {created:?}");
    figures.check();
    let left = left_in_time(|| {
        let left = [engine.left(environment.user()), left_here(&environment)];
        left.concat()
    });
    assert_eq!(left, [""; 0]);
}

#[test]
fn runs_on_servers_given_by_url_see_their_own_data_and_leave_nothing() {
    let (directory, plan) = (directory(), plan());
    let project = Project::new("soak", &[FEATURE], env!("CARGO_TARGET_TMPDIR"));
    let checkouts = checkouts(&project);
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let environment = Environment::new(&directory)
        .with("CONTAINER_TEST_PROVIDER", "external")
        .with("CONTAINER_TEST_POSTGRES_URL", &postgres.url())
        .with("CONTAINER_TEST_REDIS_URL", &redis.url());
    let figures = soak(&checkouts, &plan, &environment);
    figures.check();
    // What killed processes have left is dropped by the next run.
    soak(&checkouts, &plan.one_that_passes(), &environment).check();
    let left = left_in_time(|| {
        let keys = redis.keys().into_keys().map(|key| format!("key {key}"));
        let left = [postgres.left(), redis.clients(), left_here(&environment)].concat();
        left.into_iter().chain(keys).collect()
    });
    assert_eq!(left, [""; 0]);
}
