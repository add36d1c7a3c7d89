//! The binary as its users meet it: on archives, against a real registry, and as server of the original client.

#![expect(clippy::print_stdout, reason = "tests tell what they compared")]

mod added;
mod admission;
mod anchore_cli;
mod attestations;
mod bundles;
mod chaos;
mod command;
mod composer;
mod contexts;
mod copied;
mod diff;
mod documents;
mod errors;
mod example;
mod go_symbols;
mod guides;
mod image;
mod images;
mod lazy;
mod lists;
#[cfg(target_os = "linux")]
mod memory;
mod migrate;
mod mistakes;
mod native;
mod oidc;
mod parts;
mod pipelines;
mod platforms;
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#[path = "../../../store/tests/support/postgres_server.rs"]
mod postgres_server;
#[path = "../../../fetch/tests/support/provider.rs"]
mod provider;
mod publication;
mod query;
mod recordings;
mod registry;
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#[path = "../../../store/tests/support/s3_server.rs"]
mod s3_server;
mod sboms;
mod schemathesis;
mod service;
mod shelf;
mod shells;
mod storage;
mod survives;
mod terminal;
mod update;
mod vex;
mod vocabulary;
