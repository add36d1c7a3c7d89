//! Whose tokens are taken instead of passwords.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A provider of `OpenID` Connect whose tokens callers may show as `Bearer`. Without an issuer, there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcConfig {
    /// The issuer, as its tokens name it: `https://id.example.com/realms/main`.
    pub issuer: String,
    /// For whom tokens must be (`aud`).
    pub audience: String,
    /// As whom `killick login` comes to the provider, where that knows it as a public client; empty if nobody logs in so.
    pub client_id: String,
    /// What it asks for there.
    pub scopes: Vec<String>,
    /// Where its keys are; empty for where its configuration says.
    pub jwks_url: String,
    /// How long its keys are used before they are fetched again.
    pub keys_seconds: u64,
    /// The claim that names the user.
    pub user_claim: String,
    /// The claim that names the account; empty for none. Claims inside others are named with dots.
    pub account_claim: String,
    /// The account of users whose tokens name none.
    pub account: String,
    /// The claim with the groups or roles of the user at the provider.
    pub roles_claim: String,
    /// The role that each of them gives here.
    pub roles: BTreeMap<String, String>,
    /// The role of users whom none of them gives one; empty to refuse them.
    pub default_role: String,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            client_id: String::new(),
            scopes: vec!["openid".to_owned()],
            jwks_url: String::new(),
            keys_seconds: 3600,
            user_claim: "sub".to_owned(),
            account_claim: String::new(),
            account: String::new(),
            roles_claim: "groups".to_owned(),
            roles: BTreeMap::new(),
            default_role: String::new(),
        }
    }
}
