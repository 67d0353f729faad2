#![deny(warnings)]

use std::time::Duration;

use container_test::container_test;
use container_test::sqlx::PgPool;

const IMAGE: &str = "postgres:17-alpine";

/// A type of one's own.
#[derive(Debug, PartialEq)]
struct Size(usize);

/// Documented.
#[container_test(postgres)]
#[case(1, "one", Size(3))]
#[case::larger(2, "two", Size(3))]
#[expect(unused_variables)]
async fn counts(#[case] n: i32, pool: PgPool, #[case] name: &str, #[case] size: Size) {
    assert_eq!(Size(name.len()), size);
}

#[container_test]
#[case::short(Duration::from_millis(1))]
#[case::none(Duration::ZERO)]
#[ignore = "for a reason"]
fn lasts(#[case] time: Duration) -> Result<(), String> {
    time.checked_mul(2).ok_or_else(|| "too long".to_owned())?;
    Ok(())
}

#[container_test]
#[case(1)]
#[cfg_attr(unix, should_panic = "1")]
fn panics(#[case] value: impl std::fmt::Display) {
    panic!("{value}");
}

#[container_test(postgres(image = ["postgres:15-alpine", IMAGE]))]
#[cfg(unix)]
async fn works_on_each_version(_pool: PgPool) {}

#[container_test(postgres(image = ["postgres:15-alpine", IMAGE]))]
#[case('a')]
async fn works_on_each_version_in_each_case(#[case] _letter: char, _pool: PgPool) {}

mod inner {
    use container_test::container_test;

    #[container_test]
    #[case(super::Size(1), self::other())]
    fn inner(#[case] one: super::Size, #[case] other: super::Size) {
        assert_eq!(one, other);
    }

    fn other() -> super::Size {
        super::Size(1)
    }
}
