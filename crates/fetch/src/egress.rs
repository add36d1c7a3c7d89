//! Where a client may go: not nearer than who named the place.
//!
//! A registry that the user named may be anywhere, on a private network or on this machine. It may send us on, to a
//! token service or where its blobs are; but a public one must not send us to a private network, to this machine or to
//! the metadata service of a cloud, which answer us and would not answer it. What counts is the address that is
//! connected to: names are judged by what they resolve to, in the resolver of the client itself, so that no second
//! answer of a name server comes between the check and the connection.
//!
//! What a proxy resolves is the proxy's to judge; the proxy itself was named by the user.

mod pattern;
mod resolver;
mod zone;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use url::{Host, Url};

pub use pattern::{HostPattern, NoHost};
pub(crate) use resolver::Resolver;
pub use resolver::{Lookup, Names, SystemLookup};
pub use zone::Zone;

/// Hosts that one client is sent to, its own among them.
const HOSTS: usize = 1000;

/// What the user says about hosts. By default every host may be named, and none may send us nearer.
#[derive(Clone)]
pub struct Egress {
    /// The only hosts to be reached; empty for any.
    pub allowed: Vec<HostPattern>,
    /// Hosts to be reached at whatever address, whoever sends us there.
    pub private: Vec<HostPattern>,
    /// What names are resolved with.
    pub lookup: Arc<dyn Lookup>,
}

impl Default for Egress {
    fn default() -> Self {
        Self { allowed: Vec::new(), private: Vec::new(), lookup: Arc::new(SystemLookup) }
    }
}

/// Why somewhere is not gone to; reads on after "to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another protocol.
    #[error("an address that is neither HTTP nor HTTPS")]
    Scheme,
    /// What was encrypted would not be any more.
    #[error("plain HTTP")]
    Plain,
    /// It is nearer than who sent us.
    #[error("`{host}`, an address of {zone}")]
    Nearer {
        /// The host.
        host: String,
        /// Where it is.
        zone: Zone,
    },
    /// The user allows only some hosts.
    #[error("`{host}`, which is not among the allowed hosts")]
    NotAllowed {
        /// The host.
        host: String,
    },
    /// It sends us everywhere.
    #[error("more than {HOSTS} hosts")]
    TooMany,
}

/// Where one client may go.
pub struct Reach {
    home: Url,
    egress: Egress,
    /// Where `home` is, once that is known.
    zone: OnceLock<Zone>,
    /// Names that were asked for. The resolver is asked for others when there is a proxy of that name.
    asked: Mutex<BTreeSet<String>>,
}

impl Reach {
    /// For a client that the user sends to `home`.
    pub fn new(home: &Url, egress: &Egress) -> Result<Arc<Self>, Refused> {
        let reach = Self { home: home.clone(), egress: egress.clone(), zone: OnceLock::new(), asked: Mutex::default() };
        reach.check_allowed(home)?;
        if let Some(Host::Domain(name)) = home.host() {
            reach.ask(name)?;
        }
        if let Some(zone) = home.host().and_then(|host| literal_zone(&host)) {
            let _ = reach.zone.set(zone);
        }
        Ok(Arc::new(reach))
    }

    /// Whether to go to `target` if sent there. Names are judged again when they are resolved.
    pub fn check(&self, target: &Url) -> Result<(), Refused> {
        if !matches!(target.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if self.home.scheme() == "https" && target.scheme() == "http" {
            return Err(Refused::Plain);
        }
        self.check_allowed(target)?;
        let Some(host) = target.host() else { return Err(Refused::Scheme) };
        if let Host::Domain(name) = host {
            self.ask(name)?;
        }
        match literal_zone(&host) {
            Some(zone) if zone > self.zone() && !self.is_trusted(&host) => {
                Err(Refused::Nearer { host: host.to_string(), zone })
            }
            _ => Ok(()),
        }
    }

    /// Those of the addresses of `name` that may be connected to.
    fn admit(&self, name: &str, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refused> {
        let is_asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).contains(name);
        let host = Host::Domain(name);
        if !is_asked || self.is_trusted(&host) {
            return Ok(addresses);
        }
        if self.home.host() == Some(host)
            // The farthest: a public host must not become a private one by an address more.
            && let Some(zone) = addresses.iter().map(|address| Zone::of(*address)).min()
        {
            // No name is believed to be meant for the link: who wants that writes the address.
            let _ = self.zone.set(zone.min(Zone::Loopback));
        }
        let own = self.zone();
        let nearest = addresses.iter().map(|address| Zone::of(*address)).max();
        let admitted: Vec<IpAddr> = addresses.into_iter().filter(|address| Zone::of(*address) <= own).collect();
        match nearest {
            Some(zone) if admitted.is_empty() => Err(Refused::Nearer { host: name.to_owned(), zone }),
            _ => Ok(admitted),
        }
    }

    /// Where home is; a home that somebody else resolved counts as public.
    fn zone(&self) -> Zone {
        self.zone.get().copied().unwrap_or(Zone::Public)
    }

    fn is_trusted(&self, host: &Host<&str>) -> bool {
        let host = match host {
            Host::Domain(name) => Host::Domain((*name).to_owned()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        self.egress.private.iter().any(|pattern| pattern.matches_host(&host))
    }

    fn check_allowed(&self, target: &Url) -> Result<(), Refused> {
        let allowed = &self.egress.allowed;
        if allowed.is_empty() || allowed.iter().any(|pattern| pattern.matches(target)) {
            return Ok(());
        }
        Err(Refused::NotAllowed { host: target.host_str().unwrap_or_default().to_owned() })
    }

    fn ask(&self, name: &str) -> Result<(), Refused> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= HOSTS && !asked.contains(name) {
            return Err(Refused::TooMany);
        }
        asked.insert(name.to_owned());
        Ok(())
    }
}

/// The zone of a host that need not be resolved.
fn literal_zone(host: &Host<&str>) -> Option<Zone> {
    match host {
        Host::Ipv4(address) => Some(Zone::of(IpAddr::V4(*address))),
        Host::Ipv6(address) => Some(Zone::of(IpAddr::V6(*address))),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            (name == "localhost" || name.ends_with(".localhost")).then_some(Zone::Loopback)
        }
    }
}

#[cfg(test)]
mod tests;
