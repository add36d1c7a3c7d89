//! Who is calling: passwords, what was verified before, and who must wait.
//!
//! What a caller may do is decided by [`crate::api::permission`].

mod failures;
mod grants;
mod hasher;
mod jwt;
pub(crate) mod keys;
mod logins;
mod oidc;
mod password;
mod rates;
mod resources;
mod roles;
mod tokens;
mod verified;

pub(crate) use failures::Caller;
pub(crate) use grants::Grants;
pub use logins::LoginsError;
pub(crate) use logins::{Logins, Turned};
pub(crate) use oidc::OidcError;
pub(crate) use oidc::Provider;
pub(crate) use password::{PasswordError, hash, is_password, random};
pub(crate) use rates::Rates;
pub(crate) use resources::Resource;
pub(crate) use roles::{GivenRole, MAX_RESOURCES, UserRole, only_reads};
pub use tokens::TokensError;
pub(crate) use tokens::{Bearer, Tokens};
