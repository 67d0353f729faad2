use container_test::container_test;

#[container_test(postgres)]
async fn case() {
    let _count: u32 = "seven";
}
