//! Keys of publishers as settings name them.

use killick_vulns::publication::{KeyError, PublicKey};
use serde::{Deserialize, Serialize};

/// A public key, as `killick db key generate` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicationKey(pub PublicKey);

impl TryFrom<String> for PublicationKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse().map(Self)
    }
}

impl From<PublicationKey> for String {
    fn from(key: PublicationKey) -> Self {
        key.0.to_string()
    }
}
