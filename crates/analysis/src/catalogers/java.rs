//! Java archives: what is in them, and in the archives inside them.

pub(super) mod archive;
