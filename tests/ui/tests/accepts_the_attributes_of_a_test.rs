#![deny(warnings)]

use container_test::container_test;

/// Documented.
#[container_test(postgres)]
#[ignore]
#[allow(clippy::ignore_without_reason)]
async fn ignored() {}

#[ignore = "for a reason"]
#[container_test(postgres)]
async fn ignored_for_a_reason() {}

#[container_test(postgres)]
#[should_panic(expected = "as it should")]
async fn panics() {
    panic!("as it should");
}

#[container_test(postgres)]
#[cfg_attr(unix, should_panic = "some system")]
#[cfg_attr(windows, ignore = "no sockets", allow(unused))]
async fn panics_on_some_systems() {
    panic!("some system");
}

#[container_test(postgres)]
#[cfg(unix)]
async fn on_some_systems() {}

#[container_test(postgres)]
#[cfg(windows)]
async fn on_other_systems(_of: NoSuchType) {}

#[allow(clippy::too_many_lines)]
#[expect(unused_variables)]
#[container_test(postgres)]
async fn with_lints() {
    let count = 1;
}

#[container_test(postgres)]
#[cfg_attr(unix, ignore = "some system")]
#[cfg_attr(windows, ignore = "another system")]
async fn ignored_on_some_systems() -> Result<(), String> {
    Ok(())
}

#[cfg_attr(unix, should_panic = "some system")]
#[container_test(postgres)]
fn panics_on_some_systems_as_well() {
    panic!("some system");
}
