use container_test::container_test;

#[container_test]
async fn case(#[case] _n: i32) {}
