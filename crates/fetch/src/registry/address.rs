//! Where a registry may send us, with or without what it gave us.

use std::net::IpAddr;

use killick_model::reference::{DEFAULT_REGISTRY, Reference};
use url::{Host, Url};

/// Docker Hub answers under another name than it has.
const HUB: &str = "registry-1.docker.io";

/// The address of the registry, as text without a trailing slash.
pub(super) fn base(reference: &Reference, is_plain: bool) -> String {
    let scheme = if is_plain { "http" } else { "https" };
    let host = if reference.registry == DEFAULT_REGISTRY { HUB } else { &reference.registry };
    format!("{scheme}://{host}")
}

/// Whether both are the same scheme, host and port: only then does a credential travel along.
pub(super) fn is_same_origin(left: &Url, right: &Url) -> bool {
    left.origin() == right.origin()
}

/// Why `registry` must not send us to `target`, if so.
///
/// Nobody is sent from TLS to plain HTTP, to another kind of address, or from elsewhere to this machine or its link,
/// where cloud providers answer questions that only the machine itself should ask.
pub(super) fn refusal(registry: &Url, target: &Url) -> Option<&'static str> {
    if !matches!(target.scheme(), "http" | "https") {
        return Some("to an address that is neither HTTP nor HTTPS");
    }
    if registry.scheme() == "https" && target.scheme() == "http" {
        return Some("from HTTPS to plain HTTP");
    }
    (is_local(target) && !is_local(registry)).then_some("to an address of this machine or its link")
}

fn is_local(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => IpAddr::V6(address),
        },
        Some(Host::Domain(name)) => return name == "localhost" || name.ends_with(".localhost"),
        None => return false,
    };
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || address.is_unspecified() || is_link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_registry_may_send_us() {
        for (from, to, want) in [
            ("https://r.io", "https://cdn.example/x", None),
            ("http://r.io", "https://cdn.example/x", None),
            ("http://r.io", "http://cdn.example/x", None),
            ("https://r.io", "http://cdn.example/x", Some("from HTTPS to plain HTTP")),
            ("http://r.io", "file:///etc/passwd", Some("to an address that is neither HTTP nor HTTPS")),
            ("http://r.io", "http://169.254.169.254/", Some("to an address of this machine or its link")),
            ("http://r.io", "http://[::ffff:127.0.0.1]/", Some("to an address of this machine or its link")),
            ("http://r.io", "http://0.0.0.0/", Some("to an address of this machine or its link")),
            ("https://r.io", "https://localhost:1/", Some("to an address of this machine or its link")),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/", None),
        ] {
            assert_eq!(refusal(&from.parse().unwrap(), &to.parse().unwrap()), want, "{from} {to}");
        }
    }
}
