//! The contract beyond single gates: vectors about whole bundles, a test for each row of the register of the original's
//! quirks, and properties that hold for every bundle.

#[path = "../bundle_of/mod.rs"]
mod bundle_of;
mod examples;
#[path = "../facts/mod.rs"]
mod facts;
mod judging;
mod limits;
mod properties;
mod quirks;
mod quirks_of_gates;
mod remedies;
mod vectors;
