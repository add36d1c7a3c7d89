//! Composes the other crates into a service.
