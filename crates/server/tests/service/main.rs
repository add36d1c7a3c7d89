//! The service as its callers meet it: several accounts, registries that refuse, another database.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail loudly")]

mod accounts;
mod archives;
mod caller;
mod copied;
mod database;
mod events;
mod exceptions;
mod imports;
mod knowledge;
mod logins;
mod notifications;
mod passwords;
mod policies;
mod queries;
mod receiver;
#[path = "../support/registry.rs"]
mod registry;
mod repositories;
mod subscriptions;
mod tokens;
mod told;
mod watching;
mod ways;
