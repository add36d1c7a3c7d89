//! Turns results into documents: content types, SBOM formats, SARIF, tables, and the records of the v1 API.
//!
//! Everything here is a pure function of its inputs. The clock, the terminal's width and whether colour is wanted
//! are passed in, so that the same input gives the same bytes.

pub mod attestation;
pub mod base;
pub mod comparison;
pub mod content;
pub mod evaluation;
pub mod formats;
mod licenses;
mod python_json;
pub mod questions;
mod support;
pub mod syft;
pub mod template;
mod upgrades;
mod verdict;
mod vex;
pub mod vulnerabilities;
mod xml;
