//! Claims that meet.

use std::sync::Arc;

use container_test::{Result, TestContext, container_test};
use futures_util::future::join_all;

use super::{ACCOUNTS, Account, Nats};

#[container_test(Nats, flavor = "multi_thread", timeout = "120s")]
async fn of_many_claims_at_the_same_time_one_at_most_succeeds(cx: TestContext) -> Result<()> {
    let server = &cx.slot::<Nats>()?.server;
    for number in 0..ACCOUNTS {
        let claims = (0..64).map(|_| {
            let server = Arc::clone(server);
            tokio::spawn(Account::claim(server, number))
        });
        let claimed = join_all(claims).await;
        let succeeded = claimed.iter().filter(|it| matches!(it, Ok(Ok(Some(_)))));
        assert!(succeeded.count() <= 1, "account {number}");
    }
    Ok(())
}
