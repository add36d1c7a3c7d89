//! The vocabulary of Killick: plain values without I/O, shared by every other crate.
//!
//! Facts (what analysis saw), knowledge (what advisories say) and decisions (what policy wants) meet here
//! and nowhere else; this crate depends on no sibling.

pub mod advisory;
pub mod analysis;
pub mod attachment;
pub mod digest;
pub mod distribution;
pub mod dockerfile;
pub mod evaluation;
pub mod feed;
pub mod file;
pub mod hint;
pub mod image;
pub mod inspection;
pub mod lifecycle;
pub mod links;
pub mod listing;
pub mod matching;
pub mod package;
pub mod path;
pub mod printable;
pub mod problem;
pub mod purl;
pub mod reference;
pub mod sbom;
pub mod severity;
pub mod spelling;
pub mod tree;
pub mod verification;
pub mod version;
pub mod vex;
