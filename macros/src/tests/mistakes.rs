//! The messages about mistakes; the UI tests check on which tokens they are.

use std::fmt::Write;

use insta::assert_snapshot;
use syn::{Item, LitStr};

use super::site;
use crate::site::Site;
use crate::transform;

/// Lists the messages about each of these arguments of the attribute.
fn reports(cases: &[&str]) -> String {
    let cases = cases
        .iter()
        .map(|arguments| (*arguments, "async fn case() {}"));
    reports_of(&site(), cases)
}

fn reports_of<'a>(site: &Site, cases: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut reports = String::new();
    for (arguments, item) in cases {
        let _ = writeln!(reports, "#[container_test({arguments})] {item}");
        let tokens = transform(arguments.parse().unwrap(), &item.parse().unwrap(), site);
        let expansion: syn::File = syn::parse2(tokens).unwrap();
        let errors: Vec<LitStr> = expansion.items.iter().filter_map(error).collect();
        assert!(!errors.is_empty(), "{arguments}");
        for error in errors {
            let error = error.value().replace(env!("CARGO_MANIFEST_DIR"), "$DIR");
            let _ = writeln!(reports, "  {error}");
        }
    }
    reports
}

/// The text of a `compile_error!`.
fn error(item: &Item) -> Option<LitStr> {
    match item {
        Item::Macro(item) => item.mac.parse_body().ok(),
        _ => None,
    }
}

#[test]
fn in_names() {
    let reports = reports(&[
        "postgres, redis, postgres(recycle = false)",
        "Nats, Nats(jetstream = true)",
        "orders = postgres, orders = postgres",
        "data = postgres, data = redis",
        "nats = redis, Nats",
        "a::Mail, b::Mail",
        "postgres = redis",
        "container = postgres",
        "type = postgres",
        "_ = postgres",
        "orders = postgers(recycle = false)",
        "orders = kafka()",
        "kafka",
        "Kafka = \"3\"",
        "colour = red",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_sources_of_arguments() {
    let two = "orders = postgres, billing = postgres";
    let reports = reports_of(
        &site(),
        [
            (two, "async fn case(#[from(order)] pool: PgPool) {}"),
            (two, "async fn case(#[from] pool: PgPool) {}"),
            (two, "async fn case(#[from = \"orders\"] pool: PgPool) {}"),
            (
                two,
                "async fn case(#[from(orders, billing)] pool: PgPool) {}",
            ),
            (
                two,
                "async fn case(#[from(orders)] #[from(billing)] pool: PgPool) {}",
            ),
            ("redis", "async fn case(#[from(cache)] redis: Client) {}"),
            ("", "async fn case(#[from(orders)] pool: PgPool) {}"),
            // The misspelt service may be the one.
            (
                "orders = postgers()",
                "async fn case(#[from(orders)] pool: PgPool) {}",
            ),
        ],
    );
    assert_snapshot!(reports);
}

#[test]
fn in_services_of_a_type() {
    let reports = reports(&[
        "Nats(jetstream)",
        "Nats(jetstream())",
        "Nats(\"jetstream\")",
        "Nats(config::jetstream = true)",
        "Nats(jetstream = true, jetstream = false)",
        "Nats(jetstream = )",
        "Nats(seeds(), seeds(publish()))",
        "my_crate::Nats = true",
        "events = my_crate::Nats(1)",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_containers() {
    let reports = reports(&[
        "container",
        "container()",
        "container = mailhog()",
        "container(shared = true)",
        "container(mailhog() shared = true)",
        "container(mailhog(), shared = 1, startup_timeout = 90)",
        "container(mailhog(), image = \"mailhog\")",
        "container(mailhog(), timeout = \"3s\")",
        "container(mailhog(), seeds(\"users.sql\"))",
        "container(mailhog()), container(envoy())",
        "container(+), redis(flavour = 1)",
        "shared = true",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_containers_that_the_runtime_was_compiled_without() {
    let site = Site {
        containers: false,
        ..site()
    };
    let cases = [
        "container(mailhog())",
        "postgres, proxy = container(envoy(), shared = true)",
    ];
    let cases = cases.map(|arguments| (arguments, "async fn case(proxy: Container) {}"));
    assert_snapshot!(reports_of(&site, cases));
}

#[test]
fn in_migrations_and_seeds() {
    let reports = reports(&[
        "orders = postgres, billing = postgres, migrations = false",
        "postgres, billing = postgres, seeds(\"users\")",
        "one = redis, two = redis, seeds(\"sessions\", publish)",
        "postgres(migrations = false), migrations = \"migrations\"",
        "postgres(migrations = \"missing\")",
        "postgres(migrations)",
        "redis(migrations = false)",
        "redis, migrations = false",
        "my_crate::Postgres, seeds(\"users\")",
        "postgres(seeds(\"sessions\"))",
        "postgres(seeds(\"both.redis\"))",
        "postgres(seeds(\"users\")), seeds(\"users\")",
        "postgres(seeds(\"users\", \"users.sql\"))",
        "postgres(seeds = [\"users\"])",
        "Nats(seeds(\"users\"))",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_the_path_of_the_runtime() {
    let reports = reports(&[
        "crate",
        "crate(services)",
        "crate = \"services\"",
        "crate = services()",
        "crate = services::<u8>",
        "crate = one, crate = two",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_what_sqlx_has() {
    let reports = reports(&[
        "fixtures(\"users\")",
        "postgres, fixtures = \"users\"",
        "postgres, fixtures()",
        "postgres, fixtures(users)",
        "postgres, fixtures(\"missing\", \"./missing\")",
        "postgres, fixtures(\"users\"), fixtures(\"./fixtures/users.sql\")",
        "postgres, fixtures(path = \"fixtures\")",
        "postgres, fixtures(path = fixtures, scripts(\"users\"))",
        "postgres, fixtures(path = \"fixtures\", scripts(users))",
        "postgres, redis(fixtures(\"users\"))",
        "orders = postgres, billing = postgres, fixtures(\"users\")",
        "migrator = \"MIGRATOR\"",
        "postgres, migrator = \"not a path\"",
        "postgres, migrator = 1",
        "postgres, migrator",
        "postgres, migrator = \"A\", migrations = false",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_cases() {
    let reports = reports_of(
        &site(),
        [
            ("", "#[case(1, 2)] fn case(#[case] n: i32) {}"),
            (
                "",
                "#[case(1, 2, 3)] fn case(#[case] n: i32, #[case] (a, b): (i32, i32)) {}",
            ),
            ("", "#[case(1)] fn case(#[case] n: i32, #[case] m: i32) {}"),
            ("", "#[case] fn case(#[case] n: i32) {}"),
            ("", "#[case = 1] fn case(#[case] n: i32) {}"),
            ("", "#[case::a::b(1)] fn case(#[case] n: i32) {}"),
            ("", "#[case(1 2)] fn case(#[case] n: i32) {}"),
            ("", "#[case(1)] fn case() {}"),
            ("", "fn case(#[case] n: i32) {}"),
            ("", "fn case(#[case(1)] n: i32) {}"),
            (
                "redis",
                "#[case(1)] fn case(#[case] #[case] #[from(redis)] n: i32) {}",
            ),
            ("", "#[rstest] #[case(1)] fn case(#[case] n: i32) {}"),
            (
                "redis",
                "#[case(1)] fn case() { serial_test::fs_serial_core_with_return(vec![\"\"], None, || { n }) }",
            ),
        ],
    );
    assert_snapshot!(reports);
}

#[test]
fn in_lists_of_images() {
    let reports = reports(&[
        "postgres(image = [])",
        "postgres(image = [\"a:1\", \"a 1\"])",
        "postgres(image = [\"a:1\", \"a-1\"])",
        "postgres(image = [concat!(\"a\", \":1\")])",
    ]);
    assert_snapshot!(reports);
}

#[test]
fn in_the_gate() {
    let site = Site {
        gate: Err("the gate is wrong".to_owned()),
        ..site()
    };
    let reports = reports_of(
        &site,
        [
            ("redis", "async fn case() {}"),
            ("redis, colour = \"red\"", "#[ignore] async fn case() {}"),
        ],
    );
    assert_snapshot!(reports);
}
