//! The service as its callers meet it: several accounts, registries that refuse, another database.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail loudly")]

mod accounts;
mod caller;
mod copied;
mod database;
mod exceptions;
mod knowledge;
mod logins;
mod passwords;
mod policies;
mod queries;
#[path = "../support/registry.rs"]
mod registry;
mod ways;
