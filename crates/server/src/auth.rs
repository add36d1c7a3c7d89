//! Who is calling: passwords, what was verified before, and who must wait.
//!
//! What a caller may do is decided by [`crate::api::permission`].

mod failures;
mod hasher;
mod logins;
mod password;
mod tokens;
mod verified;

pub(crate) use failures::Caller;
pub use logins::LoginsError;
pub(crate) use logins::{Logins, Turned};
pub(crate) use password::random;
pub use tokens::TokensError;
pub(crate) use tokens::{Bearer, Tokens};
