use container_test::container_test;

#[container_test(postgres)]
async fn case() -> u32 {
    7
}
