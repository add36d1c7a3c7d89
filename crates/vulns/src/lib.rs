//! Turns feeds into an advisory index and packages into matches.
