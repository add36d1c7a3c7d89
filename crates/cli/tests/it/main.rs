//! The binary as its users meet it: on archives, against a real registry, and as server of the original client.

mod anchore_cli;
mod command;
mod errors;
mod example;
mod image;
mod images;
mod registry;
mod service;
mod survives;
