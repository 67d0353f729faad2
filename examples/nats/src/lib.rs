//! NATS as a service, as `docs/write-a-service.md` builds it: each test gets an account of a shared
//! `nats-server`.

use std::ops::Deref;
use std::sync::Arc;

pub use async_nats;
use async_nats::{Client, ConnectError, ConnectErrorKind::AuthorizationViolation, ConnectOptions};
use container_test::{
    Address, BoxError, Declares, Endpoint, Error, FromContext, Isolation, LocalProgram, OpenError,
    Result, Returned, ServerSpec, Service, Slot, SlotRequest, TestContext,
};
use serde_json::Value;

/// NATS: the service `container_test_nats::Nats` of the attribute, with its options.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Nats {
    /// Image of the container. Default: `nats:2-alpine`.
    pub image: Option<&'static str>,
    /// Whether the test can use `JetStream`. Default: `false`.
    pub jetstream: bool,
    /// What the test has to itself. Default: an account on a server that tests share.
    pub isolation: Isolation,
}

/// Accounts of a server: the number of tests that can run at the same time.
const ACCOUNTS: usize = 200;

/// What the server answers to a second claim of an account.
const IN_USE: &str = "maximum account active connections";

/// Returns the settings of a server. No account reaches what another one has. The process that is
/// alone connected to `claim-7` may use `test-7`.
fn settings(jetstream: bool) -> String {
    let if_asked = |text| if jetstream { text } else { "" };
    let store = if_asked("jetstream { store_dir: \"{directory}/jetstream\" }");
    let enabled = if_asked("jetstream: enabled");
    let account = |name: &str, more: &str| {
        format!("{name} {{ users: [{{ user: {name}, password: $PASSWORD }}], {more} }}\n")
    };
    let mut accounts = account("admin", "");
    for number in 0..ACCOUNTS {
        accounts += &account(&format!("test-{number}"), enabled);
        accounts += &account(&format!("claim-{number}"), "limits { max_connections: 1 }");
    }
    format!(
        "listen: \"{{host}}:{{port}}\"\nPASSWORD: \"{{password}}\"\n{store}\n\
         system_account: admin\naccounts {{\n{accounts}}}\n"
    )
}

impl Service for Nats {
    const NAME: &'static str = "nats";
    type Server = Server;
    type Slot = Account;

    fn spec(&self) -> Result<ServerSpec> {
        let mut spec = ServerSpec::new(Self::NAME, self.image.unwrap_or("nats:2-alpine"), 4222);
        spec.files = vec![("nats.conf".to_owned(), settings(self.jetstream))];
        spec.args = vec!["-c".to_owned(), "{directory}/nats.conf".to_owned()];
        spec.container.command = Some(vec!["nats-server".to_owned()]);
        let local = LocalProgram::new(&["nats-server"], "`apt install nats-server`");
        spec.local = Some(local);
        spec.exclusive = self.isolation == Isolation::Server;
        // The accounts are settings of the server.
        spec.refuses_urls = true;
        Ok(spec)
    }

    async fn open(endpoint: Endpoint) -> Result<Server, OpenError> {
        let address = endpoint.address().clone();
        match connect(&address, "admin").await {
            Ok(admin) => Ok(Server { address, admin }),
            Err(error) if error.kind() == AuthorizationViolation => Err(OpenError::fatal(error)),
            Err(error) => Err(OpenError::starting(error)),
        }
    }

    async fn claim(&self, server: Arc<Server>, request: SlotRequest) -> Result<Account> {
        // Tests begin at different accounts.
        let first: usize = request.id.bytes().map(usize::from).sum();
        for number in first..first + ACCOUNTS {
            let claimed = Account::claim(Arc::clone(&server), number % ACCOUNTS).await;
            if let Some(account) = claimed.map_err(Error::failed_to("claim a NATS account"))? {
                return Ok(account);
            }
        }
        Err(Error::new("claim a NATS account")
            .because(format!("all {ACCOUNTS} accounts are in use"))
            .with_help("run fewer tests at the same time"))
    }
}

/// A server that this process uses.
#[derive(Debug)]
pub struct Server {
    address: Address,
    /// A connection of the administrator: it is this process's lease.
    admin: Client,
}

impl Server {
    /// Returns what the server says about an account.
    async fn monitor(&self, account: &str, what: &str) -> Result<Value, BoxError> {
        let subject = format!("$SYS.REQ.ACCOUNT.{account}.{what}");
        let options = r#"{"streams": true}"#;
        let reply = self.admin.request(subject, options.into()).await?;
        Ok(serde_json::from_slice::<Value>(&reply.payload)?["data"].take())
    }
}

async fn connect(address: &Address, user: &str) -> Result<Client, ConnectError> {
    let password = address.password().to_owned();
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password);
    options.connect(address.url("nats", user)).await
}

/// A test's account, from claim to release.
#[derive(Debug)]
pub struct Account {
    server: Arc<Server>,
    name: String,
    /// The connection that is the claim: the kernel closes it however this process ends.
    lock: Client,
}

impl Account {
    /// Claims the account of this number; returns nothing if it is in use.
    async fn claim(server: Arc<Server>, number: usize) -> Result<Option<Self>, BoxError> {
        let (name, claim_name) = (format!("test-{number}"), format!("claim-{number}"));
        let lock = match connect(&server.address, &claim_name).await {
            Ok(lock) => lock,
            Err(error) if error.to_string().contains(IN_USE) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The server looks at its limit before it counts, and can let two in at the same time.
        let claims = &server.monitor(&claim_name, "CONNZ").await?["num_connections"];
        // A process that an earlier test has started may still be connected. An earlier test that
        // was killed, or is retained, has left its streams.
        let connections = &server.monitor(&name, "CONNZ").await?["num_connections"];
        let streams = &server.monitor(&name, "JSZ").await?["stream_detail"];
        let is_free = *claims == 1 && *connections == 0 && streams.is_null();
        let account = Self { server, name, lock };
        Ok(is_free.then_some(account))
    }
}

impl Slot for Account {
    fn description(&self) -> String {
        format!("account {}", self.name)
    }

    async fn release(self, returned: Returned) {
        let purge = format!("$JS.API.ACCOUNT.PURGE.{}", self.name);
        match returned {
            // This deletes the streams. Without JetStream there are none, and it fails.
            Returned::Clean => drop(self.server.admin.request(purge, "".into()).await),
            // Streams keep other tests away, also after the end of this process.
            Returned::Retained => {}
            // The claim ends with this process.
            _ => std::mem::forget(self.lock),
        }
    }

    fn address(&self) -> Option<String> {
        Some(self.server.address.url("nats", &self.name))
    }
}

/// A client that is connected to the test's account.
#[derive(Clone, Debug)]
pub struct NatsClient {
    client: Client,
    /// The URL of the account, with user and password.
    pub url: String,
}

impl<D: Declares<Nats>> FromContext<D> for NatsClient {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let account = cx.slot::<Nats>()?;
        let client = connect(&account.server.address, &account.name).await;
        let client = client.map_err(Error::failed_to("connect to the test's account"))?;
        let url = account.server.address.url("nats", &account.name);
        Ok(Self { client, url })
    }
}

impl Deref for NatsClient {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

#[cfg(test)]
mod tests;
