use container_test::{Declares, FromContext, Result, TestContext, container_test};

mod mail {
    #[derive(Debug, Default)]
    pub(crate) struct Mail<Protocol> {
        pub(crate) port: u16,
        pub(crate) domains: Vec<String>,
        pub(crate) protocol: Option<Protocol>,
    }
}

#[derive(Debug, Default)]
pub struct Nats {
    jetstream: bool,
}

container_test_ui::service!(Nats, "nats");

container_test_ui::service!(mail::Mail<u8>, "mail");

struct Client(&'static str);

impl<D: Declares<Nats>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        std::future::ready(cx.name()).await;
        Ok(Self(D::NAME))
    }
}

const PORT: u16 = 25;

#[container_test(Nats)]
async fn alone(client: Client) {
    assert_eq!(client.0, "nats");
}

#[container_test(
    postgres,
    self::Nats(jetstream = std::env::var_os("CI").is_some(), seeds("sql/more.sql", seed)),
    mail::Mail<u8>(port = PORT, domains = vec!["a".to_owned()], protocol = Some(7)),
)]
async fn with_options(client: Client) {
    assert_eq!(client.0, "nats");
}

#[container_test(events = Nats, audit = Nats(jetstream = true))]
async fn two_of_a_kind(#[from(audit)] audit: Client, #[from(events)] events: Client) {
    assert_eq!((audit.0, events.0), ("audit", "events"));
}

async fn seed(client: Client) {
    std::future::ready(client).await;
}
