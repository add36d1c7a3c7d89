//! The `killick` command: arguments, terminal output, exit codes.

fn main() {}
