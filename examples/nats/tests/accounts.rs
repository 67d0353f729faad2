//! Tests with an account of a shared server.

use std::time::Duration;

use container_test::{
    Declares, Error, FromContext, Isolation, Result, TestContext, container_test,
};
use container_test_nats::async_nats::{ConnectOptions, ServerAddr, Subscriber};
use container_test_nats::{Nats, NatsClient};
use futures_util::StreamExt;

#[container_test(Nats)]
async fn a_message_arrives(nats: NatsClient) -> anyhow::Result<()> {
    let mut orders = nats.subscribe("orders").await?;
    nats.publish("orders", "1 book".into()).await?;
    let message = orders.next().await.expect("a message");
    assert_eq!(message.payload, "1 book");
    Ok(())
}

#[container_test(Nats)]
async fn the_url_is_all_that_the_code_under_test_needs(nats: NatsClient) -> anyhow::Result<()> {
    let mut orders = nats.subscribe("orders").await?;
    // The answer shows that the server has the subscription.
    nats.publish("orders", "1 book".into()).await?;
    assert_eq!(orders.next().await.expect("a message").payload, "1 book");

    let server: ServerAddr = nats.url.parse()?;
    let user = server.username().expect("a user").to_owned();
    let password = server.password().expect("a password").to_owned();
    let options = ConnectOptions::with_user_and_password(user, password);
    let application = options.connect(server).await?;
    application.publish("orders", "2 books".into()).await?;
    assert_eq!(orders.next().await.expect("a message").payload, "2 books");
    Ok(())
}

#[container_test(one = Nats, other = Nats)]
async fn two_accounts_share_no_subjects(
    #[from(one)] one: NatsClient,
    #[from(other)] other: NatsClient,
) -> anyhow::Result<()> {
    let mut all_of_one = one.subscribe(">").await?;
    let mut all_of_other = other.subscribe(">").await?;
    for number in 0..10 {
        one.publish("orders", format!("one {number}").into())
            .await?;
        other
            .publish("orders", format!("other {number}").into())
            .await?;
        let message = all_of_one.next().await.expect("a message");
        assert_eq!(message.payload, format!("one {number}"));
        let message = all_of_other.next().await.expect("a message");
        assert_eq!(message.payload, format!("other {number}"));
    }
    Ok(())
}

#[container_test(shared = Nats, own = Nats(isolation = Isolation::Server))]
async fn a_test_can_have_a_server_to_itself(
    #[from(shared)] shared: NatsClient,
    #[from(own)] own: NatsClient,
) {
    assert_ne!(shared.server_info().server_id, own.server_info().server_id);
}

/// A type of the application.
struct Orders {
    nats: NatsClient,
    placed: Subscriber,
}

impl<D: Declares<Nats>> FromContext<D> for Orders {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let nats: NatsClient = cx.get().await?;
        let placed = nats.subscribe("orders").await;
        let placed = placed.map_err(Error::failed_to("subscribe to orders"))?;
        Ok(Self { nats, placed })
    }
}

#[container_test(Nats)]
async fn a_type_of_ones_own_is_made_from_the_client(mut orders: Orders) -> anyhow::Result<()> {
    orders.nats.publish("orders", "1 book".into()).await?;
    assert_eq!(
        orders.placed.next().await.expect("an order").payload,
        "1 book"
    );
    Ok(())
}

/// Publishes on subjects that many tests use at the same time, and reads everything that there is
/// in the account.
#[allow(clippy::expect_used, reason = "what goes wrong fails the test")]
async fn sees_itself_only(nats: NatsClient, test: &str) -> anyhow::Result<()> {
    let mut all = nats.subscribe(">").await?;
    for number in 0..50 {
        let text = format!("{test} {number}");
        nats.publish("orders", text.into()).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    nats.publish("orders", "the end".into()).await?;
    for number in 0..50 {
        let message = all.next().await.expect("a message");
        assert_eq!(message.payload, format!("{test} {number}"));
    }
    assert_eq!(all.next().await.expect("a message").payload, "the end");
    Ok(())
}

/// Tests of one body, under these names.
macro_rules! side_by_side {
    ($($test:ident)*) => {$(
        #[container_test(Nats)]
        async fn $test(nats: NatsClient) -> anyhow::Result<()> {
            sees_itself_only(nats, stringify!($test)).await
        }
    )*};
}

side_by_side! {
    side_by_side_01 side_by_side_02 side_by_side_03 side_by_side_04 side_by_side_05
    side_by_side_06 side_by_side_07 side_by_side_08 side_by_side_09 side_by_side_10
    side_by_side_11 side_by_side_12 side_by_side_13 side_by_side_14 side_by_side_15
    side_by_side_16 side_by_side_17 side_by_side_18 side_by_side_19 side_by_side_20
    side_by_side_21 side_by_side_22 side_by_side_23 side_by_side_24
}
