//! A pooler in front of PostgreSQL.

use container_test_tests::run::Runner;
use container_test_tests::servers::{Pgbouncer, Postgres, Redis};

use crate::{AT_ONCE, left, passed, project, run, says, seconds};

/// Claims are tied to sessions, which a pooler shares.
#[test]
fn a_pooler_is_refused_at_once_with_the_reason_and_nothing_is_left() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    // By itself it refuses what it does not know; when told to, it leaves it out.
    let strict: &[&str] = &[];
    let lenient: &[&str] = &["ignore_startup_parameters = options, extra_float_digits"];
    for (settings, has_registry, reason) in [
        (strict, false, "unsupported startup parameter"),
        (lenient, false, "a pooler stands between"),
        (
            lenient,
            true,
            "settings of the session do not reach the server: a pooler stands between",
        ),
    ] {
        if has_registry {
            let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
            let test = ["--test", "ends", "--", "--exact", "uses_postgres"];
            passed(&run.args(&test).finish(), 1);
        }
        let pooler = Pgbouncer::start(&postgres, settings);
        let run = run(&project, Runner::CargoTest, &pooler.url(), &redis.url());
        let run = run
            .args(&["--test", "ends", "--", "--exact", "uses_postgres"])
            .finish();
        says(
            &run,
            "uses_postgres",
            &[
                "failed to use the postgres server",
                reason,
                "help: name the server itself in the URL, not the pooler",
            ],
        );
        assert!(seconds(&run) < AT_ONCE, "{}", run.output);
        drop(pooler);
        assert_eq!(left(&postgres, &redis), [""; 0], "{}", run.output);
    }
}
