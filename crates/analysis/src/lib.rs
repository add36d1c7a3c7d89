//! Turns a staged image into an analysis: layers, file tree, catalogers.
//!
//! [`analyze::analyze`] is the front door. Each layer is read once as a stream (`layer`) into facts that depend on
//! nothing but its bytes ([`facts`]) and are kept for the next image ([`cache`]); merging them (`squash`) and
//! joining what catalogers found is cheap and done per image. Nothing is written under a name from an image.

pub mod analyze;
pub mod attachments;
pub mod budget;
pub mod cache;
pub mod catalogers;
mod claims;
pub mod clamd;
pub mod content;
pub mod deadline;
mod distribution;
pub mod error;
mod evidence;
pub mod facts;
pub mod imported;
pub mod inspectors;
pub mod known;
mod layer;
pub mod limits;
mod matcher;
mod owners;
mod squash;
mod tar_stream;
