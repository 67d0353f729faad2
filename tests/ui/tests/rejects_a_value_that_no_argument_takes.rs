use container_test::container_test;

#[container_test]
#[case(1, 2)]
async fn case(#[case] _n: i32) {}
