//! The merged trees of constructed layers.
