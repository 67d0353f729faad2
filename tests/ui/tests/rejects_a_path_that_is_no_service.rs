use container_test::container_test;

#[container_test(Mail(port = 25))]
async fn case() {}

#[derive(Default)]
struct Mail {
    port: u16,
}
