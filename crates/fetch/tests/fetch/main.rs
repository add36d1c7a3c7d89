//! The crate from outside: real bytes in, staged images or named errors out.

#![expect(clippy::unwrap_used, reason = "tests; the setting for tests does not reach helper functions")]

mod attachments;
mod cloud;
mod egress;
mod engine;
mod fake;
mod feeds;
mod hostile;
mod indexes;
mod local;
mod made_images;
mod oidc;
mod parts;
#[path = "../support/provider.rs"]
mod provider;
mod publication;
mod registry;
mod tags;
mod tls;
mod upstreams;
mod watch;
mod webhook;
