//! Amazon's `credentials` and `config` files (AWS SDKs and Tools Reference Guide, "Shared config and credentials
//! files").

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::cloud::CloudError;
use crate::cloud::exchange::Exchange;
use crate::cloud::sigv4::Keys;

/// The settings of one profile.
#[derive(Default)]
pub(super) struct Profile(BTreeMap<String, SecretString>);

impl Profile {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        use secrecy::ExposeSecret as _;
        self.0.get(name).map(SecretString::expose_secret).filter(|value| !value.is_empty())
    }

    /// The keys that stand in the profile itself.
    pub(super) fn keys(&self) -> Option<Keys> {
        Some(Keys {
            id: self.get("aws_access_key_id")?.to_owned(),
            secret: self.get("aws_secret_access_key")?.into(),
            session: self.get("aws_session_token").map(SecretString::from),
        })
    }

    /// Why a profile without keys cannot be used, if it has other ways to get some.
    pub(super) fn unsupported(&self) -> Option<&'static str> {
        if self.get("credential_process").is_some() {
            return Some("its keys come from a program, which is not run; export them as variables");
        }
        let has_sso = ["sso_session", "sso_start_url"].iter().any(|name| self.get(name).is_some());
        has_sso.then_some("it logs in by SSO; export its keys with `aws configure export-credentials --format env`")
    }
}

/// All profiles of both files. What stands in `credentials` wins.
pub(super) fn read(exchange: &Exchange<'_>) -> Result<BTreeMap<String, Profile>, CloudError> {
    let environment = exchange.environment();
    let mut profiles = BTreeMap::new();
    for (variable, usual, prefix) in
        [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", ""), ("AWS_CONFIG_FILE", ".aws/config", "profile ")]
    {
        let Some(path) = environment.path(variable).or_else(|| environment.home(usual)) else { continue };
        if let Some(text) = exchange.read_if_there(&path)? {
            parse(&text, prefix, &mut profiles);
        }
    }
    Ok(profiles)
}

/// Adds the settings of one file that are not there yet. Lines that make no sense are passed over, as Amazon's tools do.
fn parse(text: &str, prefix: &str, profiles: &mut BTreeMap<String, Profile>) {
    let mut current: Option<String> = None;
    for line in text.lines() {
        // Indented lines belong to a setting of several parts, none of which is of interest.
        if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let section = rest.split(']').next().unwrap_or_default().trim();
            let name =
                section.strip_prefix(prefix).map(str::trim).or_else(|| (section == "default").then_some(section));
            current = name.map(str::to_owned);
            continue;
        }
        let (Some(profile), Some((name, value))) = (&current, line.split_once('=')) else { continue };
        let value = value.split(" #").next().unwrap_or(value).split(" ;").next().unwrap_or_default().trim();
        let settings = profiles.entry(profile.clone()).or_default();
        settings.0.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| SecretString::from(value));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_files_are_read() {
        let mut profiles = BTreeMap::new();
        let credentials =
            "# mine\n[default]\naws_access_key_id = A # old\naws_secret_access_key=s/=+\n[ ci ]\nAWS_ACCESS_KEY_ID=B\n";
        let config = "[default]\naws_access_key_id=other\nregion=x\n[profile ci]\nrole_arn=arn:x\nsource_profile=default\ns3 =\n  \
                      max=1\n[ci]\nrole_arn=wrong\n[sso-session me]\nsso_start_url=x\n[profile dev]\nsso_session = me\nrubbish\n";
        parse(credentials, "", &mut profiles);
        parse(config, "profile ", &mut profiles);
        let get = |profile: &str, name: &str| profiles.get(profile).and_then(|profile| profile.get(name));
        assert_eq!(get("default", "aws_access_key_id"), Some("A"));
        assert_eq!(get("default", "aws_secret_access_key"), Some("s/=+"));
        assert_eq!(get("default", "region"), Some("x"));
        assert_eq!(get("ci", "aws_access_key_id"), Some("B"));
        assert_eq!(get("ci", "role_arn"), Some("arn:x"));
        assert_eq!(get("ci", "max"), None);
        assert!(profiles["dev"].unsupported().unwrap().contains("SSO"));
        assert_eq!(profiles.keys().collect::<Vec<_>>(), ["ci", "default", "dev"]);
        assert!(profiles["default"].keys().is_some() && profiles["ci"].keys().is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", odd in r"(\[|\]|=|profile |a|\n| |#){0,30}") {
            let mut profiles = BTreeMap::new();
            parse(&text, "", &mut profiles);
            parse(&odd, "profile ", &mut profiles);
        }
    }
}
