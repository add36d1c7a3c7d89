//! Turns a bundle plus evidence into an evaluation.
