//! Who is calling: passwords and what was verified before.
//!
//! What a caller may do is decided by [`crate::api::permission`].

mod password;
mod verified;

pub(crate) use password::{PasswordError, hash, random, verify};
pub(crate) use verified::Verified;
