use container_test::container_test;

#[container_test(postgres)]
#[rstest]
#[case(1)]
async fn case(#[case] _n: i32) {}
