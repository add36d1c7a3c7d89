//! Which images of an index the service takes.

use killick_model::image::{Platform, PlatformError};
use serde::{Deserialize, Serialize};

/// Images that are taken of one index.
pub(crate) const MAX_OF_INDEX: usize = 32;

/// Which images of an index are taken, in the words of `killick scan --platform`: `all`, or platforms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Vec<String>")]
pub enum TakenPlatforms {
    /// That for Linux on the processor of the service; without one, that for Linux on amd64.
    #[default]
    Own,
    /// Each.
    All,
    /// Those of these that there are, in this order.
    These(Vec<Platform>),
}

/// As people write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    /// In a variable: with commas in between.
    Text(String),
    List(Vec<String>),
}

/// Why the words say nothing.
#[derive(Debug, thiserror::Error)]
enum NoPlatforms {
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error("at most {MAX_OF_INDEX} platforms can be taken, not {0}")]
    TooMany(usize),
}

impl TryFrom<Words> for TakenPlatforms {
    type Error = NoPlatforms;

    fn try_from(words: Words) -> Result<Self, NoPlatforms> {
        let words = match words {
            Words::Text(text) if text.trim().is_empty() => Vec::new(),
            Words::Text(text) => text.split(',').map(|word| word.trim().to_owned()).collect(),
            Words::List(words) => words,
        };
        match words.as_slice() {
            [] => Ok(Self::Own),
            [all] if all == "all" => Ok(Self::All),
            words if words.len() > MAX_OF_INDEX => Err(NoPlatforms::TooMany(words.len())),
            words => Ok(Self::These(words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?)),
        }
    }
}

impl From<TakenPlatforms> for Vec<String> {
    fn from(taken: TakenPlatforms) -> Self {
        match taken {
            TakenPlatforms::Own => Self::new(),
            TakenPlatforms::All => vec!["all".to_owned()],
            TakenPlatforms::These(platforms) => platforms.iter().map(Platform::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn platforms_are_written_as_for_the_command() {
        for (written, want) in [
            ("[]", "[]"),
            ("''", "[]"),
            ("'all'", "['all']"),
            ("['all']", "['all']"),
            ("'linux/arm64, linux/amd64'", "['linux/arm64', 'linux/amd64']"),
            ("['linux/arm/v7']", "['linux/arm/v7']"),
        ] {
            let read = |text: &str| -> Config { toml::from_str(&format!("[analysis]\nplatforms = {text}")).unwrap() };
            assert_eq!(read(written), read(want), "{written}");
            let platforms = Vec::<String>::from(read(written).analysis.platforms);
            assert_eq!(read(&format!("{platforms:?}")), read(want), "{written}");
        }
    }

    #[test]
    fn what_is_no_platform_is_named() {
        let many = vec!["linux/amd64"; MAX_OF_INDEX + 1];
        for (written, want) in [
            ("'arm64'", "`arm64` is not a platform"),
            ("['linux/amd64', 'all']", "`all` is not a platform"),
            ("['linux/amd64', '']", "`` is not a platform"),
            (&format!("{many:?}"), "at most 32 platforms can be taken, not 33"),
        ] {
            let error = toml::from_str::<Config>(&format!("[analysis]\nplatforms = {written}")).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
    }
}
