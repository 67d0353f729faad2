use container_test::container_test;

struct Tests;

impl Tests {
    #[container_test(postgres)]
    async fn case(self) {}
}
