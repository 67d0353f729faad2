use container_test::container_test;

#[container_test]
#[case(1)]
async fn case(#[case] _n: i32, #[case] _m: i32) {}
