//! Whole expansions, as reviewed snapshots.

use insta::assert_snapshot;

use crate::site::Site;
use crate::transform;

/// The crate in `tests/site`, seen from a file in its `src`.
fn site() -> Site {
    let manifest_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
    Site {
        source_dir: Some(manifest_dir.join("src")),
        manifest_dir,
        gated: false,
    }
}

/// What becomes of `#[container_test(arguments)] item`.
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
fn writes_out_every_option_that_is_given() {
    let arguments = r#"
        postgres(
            image = "timescale/timescaledb:latest-pg17",
            database = "app",
            user = OWNER,
            isolation = "server",
            startup_timeout = "90s",
            args = ["-c", "work_mem=64MB"],
            env = ["TZ=UTC", "POSTGRES_INITDB_ARGS=--locale=C"],
            recycle = false,
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
fn switches_migrations_off() {
    let expansion = expansion("postgres, migrations = false", "async fn bare() {}");
    assert!(
        expansion.contains("migrations: ::container_test::__private::Migrations::Disabled,"),
        "{expansion}"
    );
}

#[test]
fn returns_nothing_where_the_test_should_panic() {
    assert_snapshot!(expansion(
        "postgres",
        "#[should_panic = \"no\"] async fn panics() { panic!(\"no\") }"
    ));
}

#[test]
fn is_ignored_unless_the_feature_is_on_where_the_crate_declares_it() {
    let gated = Site {
        gated: true,
        ..site()
    };
    let expansion = expansion_at(&gated, "redis", "async fn gated() {}");
    let attribute =
        "#[cfg_attr(not(feature = \"integration\"), ignore = \"needs `--features integration`\")]";
    assert!(expansion.contains(attribute), "{expansion}");
}

#[test]
fn keeps_the_users_own_reason_for_ignoring_a_test() {
    let gated = Site {
        gated: true,
        ..site()
    };
    let expansion = expansion_at(
        &gated,
        "redis",
        "#[ignore = \"slow\"] async fn ignored() {}",
    );
    assert!(!expansion.contains("integration"), "{expansion}");
}

#[test]
fn reports_a_test_under_its_name_without_the_raw_prefix() {
    let expansion = expansion("", "async fn r#async() {}");
    assert!(expansion.contains("\"::async\""), "{expansion}");
    assert!(expansion.contains("fn r#async()"), "{expansion}");
}

#[test]
fn leaves_a_test_behind_where_the_attribute_is_wrong() {
    let item =
        "#[ignore] #[tokio::test] pub unsafe fn wrong<T>(pool: PgPool) -> T { pool.close().await }";
    assert_snapshot!(expansion("postgress, timeout = 3", item));
}

#[test]
fn leaves_a_method_without_what_only_a_test_can_have() {
    assert_snapshot!(expansion(
        "",
        "#[ignore] async fn method(&self) { self.go() }"
    ));
}

#[test]
fn leaves_an_item_that_is_no_function_alone() {
    assert_snapshot!(expansion(
        "",
        "/// Documented.\npub struct Thing { field: u8 }"
    ));
}
