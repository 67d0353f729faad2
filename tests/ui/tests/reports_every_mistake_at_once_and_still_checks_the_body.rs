use container_test::container_test;

fn used_by_the_test_alone() {}

#[container_test(
    postgress,
    redis(isolation = "thread"),
    timeout = 30,
    seeds("missing", helper()),
    colour = "red"
)]
#[cfg(all())]
pub(crate) async fn case<T>(_pool: impl Clone) {
    used_by_the_test_alone();
    let _count: u32 = "seven";
}
