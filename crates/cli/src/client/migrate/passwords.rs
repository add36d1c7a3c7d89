//! Passwords, which the old service does not tell.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::Failure;
use super::items::{Item, Kind};

/// Passwords of registries by host, and of users by `account/user` or name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Passwords {
    registries: BTreeMap<String, String>,
    users: BTreeMap<String, String>,
}

impl Passwords {
    pub(super) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = fs_err::read_to_string(path).map_err(|error| Failure::local(error.to_string()))?;
        // JSON is YAML. What the reader says may quote the file, so it is not told.
        serde_saphyr::from_str(&text).map_err(|_| {
            Failure::local(format!(
                "`{}` is no file of passwords: write `registries:` and `users:`, each with names and passwords in quotes",
                path.display()
            ))
        })
    }

    /// The password of an item, if it needs one and it is known.
    pub(super) fn of(&self, account: Option<&str>, item: &Item) -> Option<&str> {
        let known = match item.kind {
            // The word for "log in as the machine".
            Kind::Registry if item.record["registry_user"] == "awsauto" => return Some("awsauto"),
            Kind::Registry => self.registries.get(&item.name),
            Kind::User => account
                .and_then(|account| self.users.get(&format!("{account}/{}", item.name)))
                .or_else(|| self.users.get(&item.name)),
            _ => None,
        };
        known.map(String::as_str)
    }
}
