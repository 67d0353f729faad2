use container_test::container_test;

#[container_test(postgres)]
pub(crate) struct Case;
