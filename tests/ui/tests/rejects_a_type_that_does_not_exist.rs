use container_test::{TestContext, container_test};

#[container_test(mail = Mail, other = Mail)]
async fn case(#[from(mail)] _cx: TestContext, #[from(other)] _other: TestContext) {}
