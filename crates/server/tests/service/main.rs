//! The service as its callers meet it: several accounts, registries that refuse, another database.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail loudly")]

mod accounts;
mod alerts;
mod api_keys;
mod archives;
mod audit;
mod caller;
mod children;
mod clients;
mod conformance;
mod copied;
mod database;
mod draining;
mod events;
mod exceptions;
mod failures;
mod feeds;
mod formats;
mod imports;
mod knowledge;
mod logins;
mod metrics;
mod narrowed;
mod notifications;
mod oidc;
mod passwords;
mod platforms;
mod policies;
mod presence;
#[path = "../../../fetch/tests/support/provider.rs"]
mod provider;
mod queries;
mod rates;
mod receiver;
#[path = "../support/registry.rs"]
mod registry;
mod repositories;
mod roles;
mod settings;
mod subscriptions;
mod tokens;
mod told;
mod upgrade;
mod v2_resources;
mod watching;
mod ways;
