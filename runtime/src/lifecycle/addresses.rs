//! The address cache: where shared servers answered, by their names, so that the next process
//! connects at once. A cached address may be out of date: only a server that accepts the password
//! is the right one.

use super::cache::Cache;

/// The word about an address that the way to leaves this machine.
const REMOTE: &str = "remote";

/// The address of a server that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CachedAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) password: String,
    /// Port on loopback that is open for as long as the server runs, if the server is reached
    /// elsewhere.
    pub(crate) published: Option<u16>,
    /// Whether the way there leaves this machine.
    pub(crate) remote: bool,
}

impl CachedAddress {
    /// Returns the address of the server of this name.
    pub(crate) fn read(cache: &Cache, server: &str) -> Option<Self> {
        Self::parse(&cache.read(&file(server))?)
    }

    /// Caches the address of the server of this name.
    pub(crate) fn write(&self, cache: &Cache, server: &str) {
        // Without it, the next process asks the engine.
        let _ = cache.write(&file(server), &self.text());
    }

    /// Forgets the address of the server of this name.
    pub(crate) fn remove(cache: &Cache, server: &str) {
        cache.remove(&file(server));
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        Some(Self {
            host: words.next()?.to_owned(),
            port: words.next()?.parse().ok()?,
            password: words.next()?.to_owned(),
            published: words.next().and_then(|port| port.parse().ok()),
            remote: words.next() == Some(REMOTE),
        })
    }

    fn text(&self) -> String {
        let Self {
            host,
            port,
            password,
            published,
            remote,
        } = self;
        let published = published.map_or_else(|| "-".to_owned(), |port| port.to_string());
        let way = if *remote { REMOTE } else { "local" };
        format!("{host} {port} {password} {published} {way}\n")
    }
}

fn file(server: &str) -> String {
    format!("{server}.address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_were_written() {
        for (published, remote) in [(None, false), (Some(40_000), false), (None, true)] {
            let address = CachedAddress {
                host: "fd00::2".to_owned(),
                port: 5432,
                password: "0123abcd".to_owned(),
                published,
                remote,
            };
            assert_eq!(CachedAddress::parse(&address.text()), Some(address));
        }
        assert_eq!(CachedAddress::parse("127.0.0.1 5432"), None);
    }
}
