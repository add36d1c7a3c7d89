//! Whether time may mend what went wrong: whoever tries again by itself asks here first.
//!
//! A network, a busy registry and a broken connection may be well in a minute. Refused credentials, an image that is not
//! there, and bytes that are not those that were promised stay as they are until a person does something.

use std::error::Error;
use std::io;

use crate::layer::LayerError;
use crate::registry::RegistryError;
use crate::stage::StageError;

impl StageError {
    /// Whether to try again later.
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Registry(error) => error.may_heal(),
            _ => false,
        }
    }
}

impl RegistryError {
    /// Whether to try again later.
    pub fn may_heal(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. }
            | Self::Token { .. } => true,
            // Whoever hands out credentials could not be asked.
            Self::Unauthorized { fault, .. } => fault.is_some(),
            Self::Status { status, .. } | Self::NoRegistry { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }
}

/// Whether to try again later to read a layer whose reader failed so.
pub fn layer_may_heal(error: &io::Error) -> bool {
    match error.get_ref() {
        Some(inner) => inner_may_heal(inner),
        None => true,
    }
}

fn inner_may_heal(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<RegistryError>() {
        return error.may_heal();
    }
    if let Some(error) = error.downcast_ref::<StageError>() {
        return error.may_heal();
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return layer_may_heal(error);
    }
    !error.is::<LayerError>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_time_mends_is_tried_again() {
        let registry = || "r.example".to_owned();
        let what = || "manifest `app:1`".to_owned();
        let status = |status| RegistryError::Status { registry: registry(), what: what(), status };
        let refused =
            RegistryError::Unauthorized { registry: registry(), repository: None, with_credentials: true, fault: None };
        let limited = RegistryError::RateLimited { registry: registry(), retry_after: None, limit: None };
        let late = RegistryError::Timeout { registry: registry(), what: what() };
        let cut = RegistryError::Interrupted { registry: registry(), what: what(), received: 1, size: 2 };
        let missing = RegistryError::NotFound { registry: registry(), what: what(), with_credentials: true };
        let blocked = RegistryError::Blocked { name: "r.example/app".to_owned() };
        let large = RegistryError::TooLarge { registry: registry(), what: what(), limit: 1 };
        for (error, heals) in [
            (status(500), true),
            (status(503), true),
            (status(429), true),
            (status(408), true),
            (limited, true),
            (late, true),
            (cut, true),
            (status(400), false),
            (status(418), false),
            (refused, false),
            (missing, false),
            (blocked, false),
            (large, false),
        ] {
            assert_eq!(error.may_heal(), heals, "{error}");
            let told = error.to_string();
            assert_eq!(StageError::from(error).may_heal(), heals, "{told}");
        }
    }

    #[test]
    fn layers_fail_for_their_registry_or_for_their_bytes() {
        let layer = killick_model::digest::Digest::of(b"layer");
        let cut = LayerError::TooLong { layer, declared: 1 };
        assert!(!layer_may_heal(&io::Error::other(cut)));
        let status = |status| RegistryError::Status { registry: "r".to_owned(), what: "blob".to_owned(), status };
        assert!(layer_may_heal(&io::Error::other(status(502))));
        assert!(!layer_may_heal(&io::Error::other(status(404))));
        assert!(layer_may_heal(&io::Error::other(io::Error::other(status(502)))), "wrapped twice");
        assert!(layer_may_heal(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}
