//! Nothing is left on the servers, and nothing of others is touched.

use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::processes::signal;
use container_test_tests::project::Project;
use container_test_tests::run::{Runner, Running};
use container_test_tests::servers::{Postgres, REGISTRY, ROLE, Redis};

use crate::{left, passed, project, run};

const RUNNERS: [Runner; 2] = [Runner::CargoTest, Runner::Nextest];

/// A way for a run to end.
struct End {
    /// The only test that runs.
    test: &'static str,
    /// What happens to the run from outside.
    happens: fn(&mut Running<'_>, &Postgres) -> Result<(), String>,
    /// What the output must say, under either runner.
    says: &'static str,
    /// Whether the next run has to clean up.
    killed: bool,
}

const ENDS: [End; 7] = [
    End {
        test: "passes",
        happens: |_, _| Ok(()),
        says: "1 passed",
        killed: false,
    },
    End {
        test: "fails",
        happens: |_, _| Ok(()),
        says: "the body returned an error",
        killed: false,
    },
    End {
        test: "panics",
        happens: |_, _| Ok(()),
        says: "the body panicked",
        killed: false,
    },
    End {
        test: "times_out",
        happens: |_, _| Ok(()),
        says: "it took longer than its timeout of 1s",
        killed: false,
    },
    End {
        test: "leaves_with_keys_on_their_way",
        happens: |_, _| Ok(()),
        says: "1 passed",
        killed: false,
    },
    End {
        test: "hangs",
        happens: |run, _| {
            run.wait_for_mark()?;
            run.kill();
            Ok(())
        },
        says: "",
        killed: true,
    },
    End {
        test: "hangs_in_a_migration",
        happens: |run, postgres| {
            postgres.wait_for(
                "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND datname LIKE 'ct\\_%'
                     AND query ~ '^SELECT pg_sleep'",
            );
            run.kill();
            Ok(())
        },
        says: "",
        killed: true,
    },
];

#[test]
fn nothing_is_left_on_the_servers_however_a_run_ends() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let mut failures = String::new();
    for end in &ENDS {
        for runner in RUNNERS {
            let since = Instant::now();
            let ended = leaves_nothing(end, &project, runner, &postgres, &redis);
            println!("{} under {runner:?}: {:.1?}", end.test, since.elapsed());
            if let Err(failure) = ended {
                let _ = writeln!(failures, "{} under {runner:?}: {failure}\n", end.test);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn leaves_nothing(
    end: &End,
    project: &Project,
    runner: Runner,
    postgres: &Postgres,
    redis: &Redis,
) -> Result<(), String> {
    let on_servers = || run(project, runner, &postgres.url(), &redis.url());
    let mut ended = on_servers()
        .args(&["--test", "ends", "--", "--exact", end.test])
        .start();
    (end.happens)(&mut ended, postgres)?;
    let ended = ended.finish();
    if !ended.output.contains(end.says) || ended.output.contains("LEAK") {
        return Err(format!("it said:\n{}", ended.output));
    }
    if end.killed {
        let claims = postgres.rows_in(
            REGISTRY,
            "SELECT lease FROM claim UNION ALL SELECT lease FROM template WHERE snapshot IS NULL",
        );
        if claims.is_empty() {
            return Err("it was not killed in the middle".to_owned());
        }
        passed(
            &on_servers()
                .args(&["--test", "ends", "--", "--exact", "passes"])
                .finish(),
            1,
        );
    }
    let left = left(postgres, redis);
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join("\n  "))
    }
}

#[test]
fn a_database_that_is_still_being_created_when_its_process_is_killed_goes_as_well() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let large = ["--test", "ends", "--", "--exact", "has_a_large_template"];
    let on_servers = || run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    passed(&on_servers().args(&large).finish(), 1);

    let creating =
        "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query ~ '^CREATE DATABASE'";
    let killed = on_servers().args(&large).start();
    postgres.wait_for(creating);
    let session = postgres.rows(creating);
    signal("STOP", &session);
    killed.kill();
    let _ = killed.finish();
    let next = on_servers()
        .args(&["--test", "ends", "--", "--exact", "uses_postgres"])
        .start();
    // Another process is at it now, and has had time to be wrong.
    postgres.wait_for_in(
        REGISTRY,
        "SELECT 1 WHERE NOT EXISTS
             (SELECT FROM claim WHERE test LIKE '%large%' AND lease NOT IN (SELECT live_leases()))",
    );
    sleep(Duration::from_millis(500));
    signal("CONT", &session);
    passed(&next.finish(), 1);
    let created = format!("SELECT 1 WHERE NOT EXISTS ({creating})");
    postgres.wait_for(&created);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn templates_go_when_no_process_used_them_for_a_day_and_nothing_of_others_goes() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let on_servers = |arguments: &[&str]| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        passed(&run.args(arguments).finish(), 1);
    };
    let used = ["--test", "ends", "--", "--exact", "uses_postgres"];
    let other = ["--test", "crowd", "--", "--exact", "other_template"];
    on_servers(&used);
    let [used_template] = &postgres.templates()[..] else {
        panic!("one template")
    };
    on_servers(&other);
    let both = postgres.templates();
    let other_template = both.iter().find(|name| *name != used_template).unwrap();

    // Databases of others, with names like ours.
    let theirs = [
        "ct_app".to_owned(),
        format!("{used_template}_1"),
        format!("{other_template}_99"),
        "ct_crate_0123456789ab".to_owned(),
        "container_test_4".to_owned(),
    ];
    for name in &theirs {
        postgres.psql(&format!("CREATE DATABASE \"{name}\" OWNER tester"));
    }
    postgres.psql("CREATE DATABASE ct_template OWNER tester IS_TEMPLATE true");
    let age = |name: &str, age: &str| {
        let age = format!(
            "UPDATE template SET used = clock_timestamp() - interval '{age}' WHERE name = '{name}' RETURNING name"
        );
        assert_eq!(postgres.rows_in(REGISTRY, &age), [name]);
    };
    age(other_template, "23 hours");
    age(used_template, "25 hours");
    on_servers(&used);
    assert_eq!(
        postgres.templates(),
        both,
        "one is young enough, the other in use"
    );
    age(other_template, "25 hours");
    on_servers(&used);
    assert_eq!(&postgres.templates(), std::slice::from_ref(used_template));

    let exists = |name: &str| {
        let query = format!("SELECT datname FROM pg_database WHERE datname = '{name}'");
        !postgres.rows(&query).is_empty()
    };
    assert!(!exists(other_template));
    for name in theirs.iter().map(String::as_str).chain(["ct_template"]) {
        assert!(exists(name), "{name} is gone");
    }
}

#[test]
fn a_template_that_subscribes_goes_as_well() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    postgres.psql(&format!("ALTER ROLE {ROLE} SUPERUSER"));
    let on_servers = |test| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        passed(
            &run.args(&["--test", "ends", "--", "--exact", test])
                .finish(),
            1,
        );
    };
    let subscriptions = || postgres.rows("SELECT subname FROM pg_subscription");
    on_servers("has_another_schema");
    let template = postgres.templates().remove(0);
    let open = |open| {
        let open = format!("ALTER DATABASE {template} ALLOW_CONNECTIONS {open}");
        postgres.psql(&open);
    };
    open(true);
    let subscribe = "CREATE SUBSCRIPTION theirs CONNECTION '' PUBLICATION theirs
                     WITH (connect = false, slot_name = NONE)";
    let _ = postgres.rows_in(&template, subscribe);
    open(false);
    assert_eq!(subscriptions(), ["theirs"]);
    let age = "UPDATE template SET used = used - interval '1 day' RETURNING 'aged'";
    assert_eq!(postgres.rows_in(REGISTRY, age), ["aged"]);
    on_servers("uses_postgres");
    assert_eq!(subscriptions(), [""; 0]);
    assert_eq!(postgres.templates().len(), 1);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}
