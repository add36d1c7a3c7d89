//! Brings bytes here: registries, image archives, OCI layouts, feed downloads.
