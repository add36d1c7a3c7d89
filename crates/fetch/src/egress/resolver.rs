//! Resolving names for one client, and leaving out the addresses it must not connect to.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Reach;

/// Addresses on their way.
pub type Names<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Asks for the addresses of a name.
pub trait Lookup: Send + Sync {
    /// The addresses of `name`, in the order they are to be tried.
    fn addresses<'a>(&'a self, name: &'a str) -> Names<'a>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses<'a>(&'a self, name: &'a str) -> Names<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The resolver of a client that may go where its [`Reach`] says.
pub(crate) struct Resolver(pub(crate) Arc<Reach>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = reach.egress.lookup.addresses(name.as_str()).await?;
            let admitted = reach.admit(name.as_str(), addresses)?;
            // The client puts the port of the request in place of 0.
            let addresses = admitted.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
