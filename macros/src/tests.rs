//! Whole expansions, as reviewed snapshots.

mod mistakes;

use insta::assert_snapshot;

use crate::site::Site;
use crate::transform;

/// The crate in `tests/site`, seen from a file in its `src`.
fn site() -> Site {
    let manifest_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
    Site {
        source_dir: Some(manifest_dir.join("src")),
        manifest_dir,
        gate: Ok(None),
        containers: true,
    }
}

/// Returns the expansion of `#[container_test(arguments)] item`.
fn expansion(arguments: &str, item: &str) -> String {
    expansion_at(&site(), arguments, item)
}

fn expansion_at(site: &Site, arguments: &str, item: &str) -> String {
    let tokens = transform(arguments.parse().unwrap(), &item.parse().unwrap(), site);
    prettyplease::unparse(&syn::parse2(tokens).unwrap())
}

#[test]
fn becomes_a_test_that_makes_one_call() {
    assert_snapshot!(expansion("", "async fn nothing() {}"));
}

#[test]
fn injects_the_arguments_in_order_and_keeps_the_function() {
    let item = "
        /// Documented.
        pub(crate) async fn signs_up(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
            redis.set(\"a\", 1).await?;
            Ok(())
        }
    ";
    assert_snapshot!(expansion("postgres, redis", item));
}

#[test]
fn calls_a_plain_function_outside_of_the_runtime() {
    assert_snapshot!(expansion(
        "postgres",
        "fn reads(database: Database) { database.url(); }"
    ));
}

#[test]
fn sets_every_option_that_is_given() {
    let arguments = r#"
        postgres(
            image = "timescale/timescaledb:latest-pg17",
            database = "app",
            user = OWNER,
            isolation = "server",
            startup_timeout = "90s",
            args = ["-c", "work_mem=64MB"],
            env = ["TZ=UTC", "LANG=C.UTF-8"],
            recycle = false,
            max_connections = 10,
            extensions = ["citext"],
            template_seeds = false,
        ),
        redis(image = concat!("redis", ":8"), isolation = "database"),
        migrations = "migrations",
        seeds("users", insert_session, seeds::more::<u8>),
        timeout = "1500ms",
        flavor = "multi_thread",
        worker_threads = 2,
    "#;
    assert_snapshot!(expansion(arguments, "async fn all() {}"));
}

#[test]
fn makes_inline_migrations_a_constant() {
    let arguments =
        r#"postgres, migrations = ["CREATE TABLE a (b int)", include_str!("b.sql"), SCHEMA]"#;
    assert_snapshot!(expansion(arguments, "async fn inline() {}"));
}

#[test]
fn takes_rust_code_for_migrations() {
    for arguments in [
        "postgres, migrations = schema::MIGRATOR",
        "postgres(migrations = schema::MIGRATOR)",
        "postgres, migrator = \"schema::MIGRATOR\"",
        "postgres, migrator = schema::MIGRATOR",
    ] {
        let expansion = expansion(arguments, "async fn coded() {}");
        let call = "migrations = ::container_test::__private::code(\n                    &schema::MIGRATOR,";
        assert!(expansion.contains(call), "{expansion}");
    }
}

#[test]
fn finds_fixtures_beside_the_source_file() {
    let arguments = r#"
        postgres,
        redis,
        fixtures("users", "../fixtures/tokens.sql"),
        seeds("sessions"),
        fixtures(path = "./sql", scripts("report")),
    "#;
    let expansion = expansion(arguments, "async fn filled() {}");
    let files: Vec<&str> = expansion
        .split(".seed_file(")
        .skip(1)
        .filter_map(|call| call.split('"').nth(3))
        .collect();
    let expected = [
        "src/fixtures/users.sql",
        "src/../fixtures/tokens.sql",
        "src/fixtures/sessions.redis",
        "src/sql/report.sql",
    ];
    assert_eq!(files, expected, "{expansion}");
}

#[test]
fn switches_migrations_off() {
    let expansion = expansion("postgres, migrations = false", "async fn bare() {}");
    assert!(
        expansion.contains("__service.migrations = ::container_test::Migrations::Disabled;"),
        "{expansion}"
    );
}

#[test]
fn returns_nothing_if_the_test_should_panic() {
    assert_snapshot!(expansion(
        "postgres",
        "#[should_panic = \"no\"] async fn panics() { panic!(\"no\") }"
    ));
}

#[test]
fn lets_an_argument_name_its_service() {
    let arguments = r#"
        orders = postgres(migrations = "migrations", seeds("users", insert_order)),
        billing = postgres(database = "billing", migrations = false),
        cache = redis,
        seeds("sessions", insert_session),
    "#;
    let item = "
        async fn named(
            #[from(orders)] pool: PgPool,
            #[from(billing)] #[allow(unused_mut)] mut other: PgPool,
            redis: ConnectionManager,
        ) {}
    ";
    assert_snapshot!(expansion(arguments, item));
}

#[test]
fn makes_a_test_of_each_case() {
    let item = "
        /// Documented.
        #[case(1, \"one\")]
        #[case::larger(2, \"two\")]
        #[cfg(unix)]
        #[allow(unused_variables)]
        #[ignore]
        pub async fn counts(#[case] n: i32, pool: PgPool, #[case] name: &str) -> anyhow::Result<()> {
            Ok(())
        }
    ";
    assert_snapshot!(expansion("postgres", item));
}

#[test]
fn makes_a_test_for_each_image() {
    let arguments = r#"
        postgres(image = ["postgres:15-alpine", TIMESCALE], recycle = false),
        cache = redis(image = ["redis:8-alpine"]),
    "#;
    assert_snapshot!(expansion(arguments, "fn reads(database: Database) {}"));
}

#[test]
fn numbers_cases_so_that_they_stay_in_order() {
    let lines = "#[case(0)]".repeat(10);
    let expansion = expansion("", &format!("{lines} fn counts(#[case] n: i32) {{}}"));
    for name in ["::case_01\"", "::case_10\""] {
        assert!(expansion.contains(name), "{expansion}");
    }
}

#[test]
fn declares_an_unnamed_service_by_its_word() {
    assert_snapshot!(expansion(
        "postgres, billing = postgres",
        "async fn unnamed(#[from(postgres)] pool: PgPool) {}"
    ));
}

#[test]
fn sets_the_fields_of_any_type() {
    let arguments = r#"
        postgres,
        my_crate::Nats(jetstream = true, subjects = vec!["a"], seeds("users.sql", publish)),
        MailHog,
        queue = ::queues::Queue<u8>(size = SIZE),
    "#;
    assert_snapshot!(expansion(arguments, "async fn custom(nats: Client) {}"));
}

#[test]
fn lists_the_services_of_a_type_that_fit_an_argument() {
    assert_snapshot!(expansion(
        "one = a::Mail, two = a::Mail, three = a::Mail, four = b::Mail, five = b::Mail, redis",
        "async fn mail(#[from(one)] mail: Client) {}"
    ));
}

#[test]
fn takes_an_expression_for_the_image_of_a_container() {
    let arguments = r#"
        container(
            GenericImage::new("mailhog/mailhog", "v1").with_exposed_port(1025.tcp()),
            shared = true,
            startup_timeout = "90s",
            seeds(insert_mail),
        ),
        proxy = container(envoy()),
    "#;
    assert_snapshot!(expansion(arguments, "async fn containers() {}"));
}

#[test]
fn replaces_the_path_of_the_runtime() {
    let arguments = r#"
        crate = my_crate::services,
        orders = postgres(
            image = IMAGE,
            isolation = "server",
            args = ["-c", "work_mem=64MB"],
            migrations = ["SELECT 1"],
        ),
        billing = postgres(migrations = "migrations"),
        seeds(insert_order),
        flavor = "current_thread",
    "#;
    let expansion = expansion(
        arguments,
        "async fn moved(cx: TestContext, #[from(orders)] pool: PgPool) {}",
    );
    assert!(!expansion.contains("container_test"), "{expansion}");
    assert_snapshot!(expansion);
}

#[test]
fn takes_an_absolute_path_of_the_runtime() {
    let expansion = expansion("crate = ::services, redis", "async fn moved() {}");
    assert!(
        expansion.contains("impl ::services::Declares<::services::Redis> for __Declared"),
        "{expansion}"
    );
}

fn gated() -> Site {
    Site {
        gate: Ok(Some("integration".to_owned())),
        ..site()
    }
}

#[test]
fn is_ignored_unless_the_feature_of_the_gate_is_on() {
    let expansion = expansion_at(&gated(), "redis", "async fn gated() {}");
    let attribute =
        "#[cfg_attr(not(feature = \"integration\"), ignore = \"needs `--features integration`\")]";
    assert!(expansion.contains(attribute), "{expansion}");
}

#[test]
fn is_ignored_once_where_the_user_ignores_it_under_a_condition() {
    let item = "#[cfg_attr(windows, ignore = \"no sockets\")] async fn gated() {}";
    let expansion = expansion_at(&gated(), "redis", item);
    let condition = "#[cfg_attr(\n    all(not(feature = \"integration\"), not(windows)),\n";
    assert!(expansion.contains(condition), "{expansion}");
}

#[test]
fn should_panic_under_the_condition_of_the_attribute() {
    let item = "#[cfg_attr(unix, should_panic)] async fn panics() {}";
    let expansion = expansion("", item);
    assert!(
        expansion.contains(".should_panic(::core::cfg!(unix))"),
        "{expansion}"
    );
    assert!(expansion.contains("fn panics() {"), "{expansion}");
}

#[test]
fn returns_what_the_function_returns_if_other_attributes_may_look_at_it() {
    let item = "#[serial] fn one_by_one() -> anyhow::Result<()> { Ok(()) }";
    assert_snapshot!(expansion("", item));
}

#[test]
fn leaves_the_test_attribute_of_test_log() {
    let expansion = expansion("", "#[test_log::test] async fn logs() {}");
    assert!(expansion.contains("#[test_log::test]"), "{expansion}");
    assert!(!expansion.contains("compile_error"), "{expansion}");
}

#[test]
fn makes_one_test_of_a_function_that_another_attribute_has_made_a_test() {
    for item in [
        "#[::core::prelude::v1::test] async fn logs() {}",
        "#[::core::prelude::v1::test] fn logs(database: Database) {}",
    ] {
        let expansion = expansion("postgres", item);
        assert_eq!(
            expansion.matches("#[::core::prelude::v1::test]").count(),
            1,
            "{expansion}"
        );
    }
}

#[test]
fn keeps_the_users_own_reason_for_ignoring_a_test() {
    let item = "#[ignore = \"slow\"] async fn ignored() {}";
    let expansion = expansion_at(&gated(), "redis", item);
    assert!(!expansion.contains("integration"), "{expansion}");
}

#[test]
fn reports_a_test_under_its_name_without_the_raw_prefix() {
    let expansion = expansion("", "async fn r#async() {}");
    assert!(expansion.contains("\"::async\""), "{expansion}");
    assert!(expansion.contains("fn r#async()"), "{expansion}");
}

#[test]
fn still_makes_a_test_if_the_attribute_is_wrong() {
    let item =
        "#[ignore] #[tokio::test] pub unsafe fn wrong<T>(pool: PgPool) -> T { pool.close().await }";
    assert_snapshot!(expansion("postgress, timeout = 3", item));
}

#[test]
fn takes_the_source_of_an_argument_off_a_test_with_mistakes() {
    let expansion = expansion(
        "postgress",
        "async fn wrong(#[from(orders)] pool: PgPool) {}",
    );
    assert!(
        expansion.contains("async fn wrong(pool: PgPool)"),
        "{expansion}"
    );
}

#[test]
fn makes_a_plain_function_of_a_method() {
    assert_snapshot!(expansion(
        "",
        "#[ignore] async fn method(&self) { self.go() }"
    ));
}

#[test]
fn does_not_change_an_item_that_is_no_function() {
    assert_snapshot!(expansion(
        "",
        "/// Documented.\npub struct Thing { field: u8 }"
    ));
}
