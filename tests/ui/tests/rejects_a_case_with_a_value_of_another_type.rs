use container_test::container_test;

#[container_test]
#[case("one")]
async fn case(#[case] _n: i32) {}
