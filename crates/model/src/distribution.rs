//! The Linux distribution an image is built on, as os-release(5) and its forerunners tell it.

use serde::{Deserialize, Serialize};

/// Fields of os-release(5); absent fields stay absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// `ID`, lower case: `debian`, `alpine`, `rhel`, … .
    pub id: String,
    /// `VERSION_ID`, completed from `etc/debian_version` where os-release has none.
    pub version: Option<String>,
    /// `VERSION_CODENAME`.
    pub codename: Option<String>,
    /// `ID_LIKE`, split at blanks.
    pub like: Vec<String>,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: Option<String>,
    /// The repositories its packages were installed from, as who built the image says (Red Hat's content sets), by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content_sets: Vec<String>,
}

impl Distribution {
    /// `debian:12`, or just `debian` where no version is known.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}:{version}", self.id),
            None => self.id.clone(),
        }
    }
}
