//! The inspectors of the worker, compiled from the settings once.

use std::path::PathBuf;
use std::sync::Arc;

use killick_analysis::clamd::{AddressError, ClamdSettings};
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{
    HashList, MalwareSettings, Pattern, RetrieveFiles, SecretSettings, Settings, SettingsError,
};

use killick_model::path::ImagePath;
use killick_policy::Needs;

use crate::config::InspectionsConfig;

/// Most paths, and most patterns, that the rules of a policy may add.
const MAX_NEEDS: usize = 50;

/// Why the inspectors cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InspectionsError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The socket is none.
    #[error(transparent)]
    Clamd(#[from] AddressError),
    /// A list of digests cannot be read.
    #[error("cannot read the hash list")]
    HashList(#[source] std::io::Error),
}

/// Compiles what the settings ask for.
pub fn compile(config: &InspectionsConfig) -> Result<Arc<Inspections>, InspectionsError> {
    let clamd = if config.clamd.is_empty() {
        None
    } else {
        Some(ClamdSettings {
            max_file_bytes: config.clamd_max_file_mb.saturating_mul(1 << 20),
            timeout_seconds: config.clamd_timeout_seconds,
            ..ClamdSettings::new(config.clamd.parse()?)
        })
    };
    let hash_list = |path: &PathBuf| {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs_err::read_to_string(path).map_err(InspectionsError::HashList)?;
        Ok(HashList { name, text })
    };
    let settings = Settings {
        package_files: config.verify_packages,
        retrieve_files: RetrieveFiles {
            paths: config.retrieve_files.clone(),
            max_file_bytes: config.retrieve_max_file_kb.saturating_mul(1000),
        },
        secrets: SecretSettings {
            enabled: config.secrets,
            patterns: config.secret_patterns.clone(),
            ignore: config.ignore_secret_rules.clone(),
        },
        licenses: config.licenses,
        malware: MalwareSettings {
            clamd,
            hash_lists: config.hash_lists.iter().map(hash_list).collect::<Result<_, InspectionsError>>()?,
        },
        content_search: config.content_search.clone(),
    };
    Ok(Arc::new(Inspections::new(settings)?))
}

/// The settings with what the rules of a policy look at besides; `None` where they have it all.
pub(crate) fn with_needs(config: &InspectionsConfig, needs: &Needs) -> Option<InspectionsConfig> {
    let mut wider = config.clone();
    wider.secrets |= needs.secrets;
    wider.verify_packages |= needs.package_files;
    // A rule may name what is no path of a file, or no pattern of ours; it finds nothing then.
    let is_path = |path: &&String| ImagePath::new(path.as_bytes()).is_some_and(|path| !path.file_name().is_empty());
    for path in needs.retrieved_files.iter().filter(is_path).take(MAX_NEEDS) {
        if !wider.retrieve_files.contains(path) {
            wider.retrieve_files.push(path.clone());
        }
    }
    for regex in needs.content_search.iter().take(MAX_NEEDS) {
        if !config.content_search.iter().any(|known| [&known.name, &known.regex].contains(&regex)) {
            wider.content_search.push(Pattern { name: String::new(), regex: regex.clone() });
        }
    }
    (wider != *config).then_some(wider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_widen_what_is_looked_for() {
        let config = InspectionsConfig { secrets: false, ..InspectionsConfig::default() };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let needs = Needs {
            secrets: true,
            retrieved_files: texts(&["/", "/etc/passwd", "/etc/ssh/sshd_config"]),
            content_search: texts(&[".*password.*"]),
            ..Needs::default()
        };
        let wider = with_needs(&config, &needs).unwrap();
        assert!(wider.secrets && compile(&wider).is_ok());
        assert_eq!(wider.retrieve_files, ["/etc/passwd", "/etc/ssh/sshd_config"]);
        assert_eq!(wider.content_search, [Pattern { name: String::new(), regex: ".*password.*".to_owned() }]);
        assert_eq!(with_needs(&wider, &needs), None);
        assert_eq!(with_needs(&config, &Needs::default()), None);
    }

    #[test]
    fn mistakes_are_told() {
        let config = InspectionsConfig::default();
        assert!(compile(&config).is_ok());
        for (config, want) in [
            (InspectionsConfig { clamd: "localhost".to_owned(), ..config.clone() }, "no address of clamd"),
            (InspectionsConfig { hash_lists: vec!["/not/there".into()], ..config.clone() }, "hash list"),
            (InspectionsConfig { retrieve_files: vec!["/".to_owned()], ..config.clone() }, "no path of a file"),
        ] {
            let error = compile(&config).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(want), "{error}");
        }
    }
}
