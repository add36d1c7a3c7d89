//! Development tasks. `cargo xtask ci` is what continuous integration runs.
fn main() {}
