//! The only look at the environment as a whole; single settings are read with the arguments.

use killick_fetch::Environment;

/// All variables that are text.
pub(crate) fn read() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}
