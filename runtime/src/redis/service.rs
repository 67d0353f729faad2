//! Redis as a service: the server that the options ask for.

use std::sync::Arc;

use super::options::{ADMINISTRATOR, DATABASES, Redis, TEST_USER};
use super::server::Server;
use super::slot::TestKeyspace;
use crate::Result;
use crate::service::{
    Endpoint, Isolation, LocalProgram, OpenError, ServerSpec, Service, SlotRequest,
};

/// The default image: the newest major version that the whole suite runs on.
const IMAGE: &str = "redis:8-alpine";

/// The settings file, which also holds the password: other users of the machine can read the
/// arguments of a process.
const SETTINGS_FILE: &str = "redis.conf";

fn settings() -> String {
    format!(
        "bind {{host}}\n\
         port {{port}}\n\
         dir \"{{directory}}\"\n\
         save \"\"\n\
         appendonly no\n\
         databases {DATABASES}\n\
         user {ADMINISTRATOR} on >{{password}} ~* &* +@all\n\
         user {TEST_USER} on >{{password}} ~* &* +@all\n"
    )
}

impl Service for Redis {
    const NAME: &'static str = "redis";
    type Server = Server;
    type Slot = TestKeyspace;

    fn spec(&self) -> Result<ServerSpec> {
        let image = self.image.as_deref().unwrap_or(IMAGE);
        let mut spec = ServerSpec::new(Self::NAME, image, 6379);
        spec.files = vec![(SETTINGS_FILE.to_owned(), settings())];
        spec.args = vec![format!("{{directory}}/{SETTINGS_FILE}")];
        spec.args.extend(self.args.iter().cloned());
        spec.env.clone_from(&self.env);
        spec.exclusive = self.isolation == Isolation::Server;
        if let Some(timeout) = self.startup_timeout {
            spec.startup_timeout = timeout;
        }
        let mut local = LocalProgram::new(
            &["redis-server", "valkey-server"],
            "redis-server or valkey-server (`apt install redis-server`, `brew install redis`)",
        );
        local.oldest = Some(("v=", (6, 2)));
        spec.local = Some(local);
        Ok(spec)
    }

    async fn open(endpoint: Endpoint) -> Result<Server, OpenError> {
        Server::open(endpoint).await
    }

    async fn claim(&self, server: Arc<Server>, request: SlotRequest) -> Result<TestKeyspace> {
        TestKeyspace::claim(server, &request).await
    }

    async fn is_gone(server: &Server) -> bool {
        server.is_gone().await
    }
}
