//! Turns a staged image into an analysis: layers, file tree, catalogers.

pub mod catalogers;
pub mod limits;
