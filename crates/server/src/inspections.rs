//! The inspectors of the worker, compiled from the settings once.

use std::path::PathBuf;
use std::sync::Arc;

use killick_analysis::clamd::{AddressError, ClamdSettings};
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{
    HashList, MalwareSettings, RetrieveFiles, SecretSettings, Settings, SettingsError,
};

use crate::config::InspectionsConfig;

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
pub(crate) fn compile(config: &InspectionsConfig) -> Result<Arc<Inspections>, InspectionsError> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
