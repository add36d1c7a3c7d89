//! The addresses of a registry.

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

/// Whether a token service belongs to the registry: the same host, one below it, or one beside it in its domain, at the
/// same port.
pub(super) fn is_same_site(registry: &Url, service: &Url) -> bool {
    let (Some(Host::Domain(own)), Some(Host::Domain(other))) = (registry.host(), service.host()) else {
        return is_same_origin(registry, service);
    };
    if registry.port_or_known_default() != service.port_or_known_default() {
        return false;
    }
    let is_below = |domain: &str| other == domain || other.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let beside = own.split_once('.').map(|(_, domain)| domain).filter(|domain| domain.contains('.'));
    is_below(own) || beside.is_some_and(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_services_of_the_registry() {
        for (registry, service, want) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true),
            ("https://ghcr.io", "https://ghcr.io/token", true),
            ("https://ghcr.io", "https://token.ghcr.io/", true),
            ("https://r.example:5000", "https://r.example:5000/token", true),
            ("https://r.example:5000", "https://r.example:5001/token", false),
            ("https://ghcr.io", "https://evil.io/token", false),
            ("https://ghcr.io", "https://evilghcr.io/token", false),
            ("https://registry.gitlab.com", "https://evil.example/", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token", true),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", false),
        ] {
            assert_eq!(
                is_same_site(&registry.parse().unwrap(), &service.parse().unwrap()),
                want,
                "{registry} {service}"
            );
        }
    }
}
