//! The addresses of a registry.

use killick_model::reference::{DEFAULT_REGISTRY, Reference};
use url::Url;

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
