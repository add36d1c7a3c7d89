//! Reading the settings: file, then environment.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::timers::{Precedence, settle};
use super::{Config, Secret};

/// Prefix of the variables that override the file.
const PREFIX: &str = "KILLICK__";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the settings file `{path}` is not TOML")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A setting is unknown or has the wrong type.
    #[error("a setting in {origin} is unknown or wrong")]
    Setting {
        /// The file or the variable.
        origin: String,
        /// Which and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A variable does not name a setting.
    #[error("the variable `{name}` names no setting: expected `KILLICK__SECTION__KEY`")]
    Variable {
        /// The variable.
        name: String,
    },
    /// A timer of the original for which there is nothing to set.
    #[error("the timer `{timer}` of `cycle_timers` in {origin} has no counterpart: remove it; {instead}")]
    Timer {
        /// The timer.
        timer: &'static str,
        /// The file or the variable.
        origin: String,
        /// What there is instead.
        instead: &'static str,
    },
    /// A timer of the original, and what it is called here, with another value.
    #[error("`cycle_timers.{timer}` and `{section}.{key}` are the same setting: give one")]
    TwoTimers {
        /// The timer.
        timer: &'static str,
        /// The section of the setting.
        section: &'static str,
        /// The setting.
        key: &'static str,
    },
    /// A setting was given twice.
    #[error("`{name}` and `{name}_file` are both given: use one")]
    Twice {
        /// The setting.
        name: &'static str,
    },
}

impl Config {
    /// Reads `file`, if any, and overrides it with those of `variables` that begin with `KILLICK__`.
    ///
    /// `KILLICK_ADMIN_PASSWORD`, else `ANCHORE_ADMIN_PASSWORD`, is the password of the first user.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            None => Table::new(),
            Some(path) => fs_err::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?
                .parse()
                .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?,
        };
        if let Some(path) = file {
            let origin = || format!("the file `{}`", path.display());
            settle(&mut table, Precedence::None, &origin)?;
            check(&table, origin)?;
        }
        let mut passwords = [None, None];
        let mut environment = Vec::new();
        for (name, value) in variables {
            match name.as_str() {
                "KILLICK_ADMIN_PASSWORD" => passwords[0] = Some(value),
                "ANCHORE_ADMIN_PASSWORD" => passwords[1] = Some(value),
                _ => {
                    if let Some(rest) = name.strip_prefix(PREFIX) {
                        set(&mut table, rest, &value).ok_or_else(|| ConfigError::Variable { name: name.clone() })?;
                        let origin = || format!("the variable `{name}`");
                        settle(&mut table, Precedence::Latest, &origin)?;
                        check(&table, origin)?;
                    } else {
                        environment.push((name, value));
                    }
                }
            }
        }
        let mut config = check(&table, || "the settings".to_owned())?;
        config.environment = environment.into_iter().collect();
        if let [Some(password), _] | [None, Some(password)] = passwords {
            config.accounts.admin_password = Secret::from(password.as_str());
        }
        config.read_secret_files()?;
        Ok(config)
    }

    fn read_secret_files(&mut self) -> Result<(), ConfigError> {
        let accounts = &mut self.accounts;
        read_secret("admin_password", &mut accounts.admin_password, &accounts.admin_password_file)?;
        let storage = &mut self.storage;
        read_secret("secret_key", &mut storage.secret_key, &storage.secret_key_file)?;
        read_secret("s3_secret_access_key", &mut storage.s3_secret_access_key, &storage.s3_secret_access_key_file)?;
        read_secret("secret", &mut self.oauth.secret, &self.oauth.secret_file)
    }
}

/// Reads the settings as they are so far, so that what was added last is what is wrong.
fn check(table: &Table, origin: impl FnOnce() -> String) -> Result<Config, ConfigError> {
    let settings = table.clone().try_into();
    settings.map_err(|source| ConfigError::Setting { origin: origin(), source: Box::new(source) })
}

fn read_secret(name: &'static str, secret: &mut Secret, file: &Path) -> Result<(), ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(());
    }
    if secret.get().is_some() {
        return Err(ConfigError::Twice { name });
    }
    let text = fs_err::read_to_string(file).map_err(|source| ConfigError::Read { path: file.to_owned(), source })?;
    *secret = Secret::from(text.trim_end_matches(['\r', '\n']));
    Ok(())
}

/// Sets `SECTION__KEY`. The value is TOML where it reads as TOML, else plain text.
fn set(table: &mut Table, name: &str, value: &str) -> Option<()> {
    let (section, key) = name.split_once("__")?;
    let section = table.entry(section.to_ascii_lowercase()).or_insert_with(|| Value::Table(Table::new()));
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let value = match parsed {
        Some(value) if !matches!(value, Value::Datetime(_)) => value,
        _ => Value::String(value.to_owned()),
    };
    section.as_table_mut()?.insert(key.to_ascii_lowercase(), value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_FILE;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_default_file_says_the_defaults() {
        let table: Table = DEFAULT_FILE.parse().unwrap();
        let defaults = Table::try_from(Config::default()).unwrap();
        for (section, settings) in &defaults {
            for (key, value) in settings.as_table().unwrap() {
                assert_eq!(table[section].get(key), Some(value), "{section}.{key}");
            }
        }
        let read: Config = table.try_into().unwrap();
        assert_eq!(read, Config::default());
    }

    #[test]
    fn variables_override_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("killick.toml");
        fs_err::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\nhost_id = \"a\"\n").unwrap();
        let config = Config::load(
            Some(&file),
            variables(&[
                ("KILLICK__SERVER__LISTEN", "0.0.0.0:9"),
                ("KILLICK__ANALYSIS__WORKERS", "7"),
                ("KILLICK__STORAGE__DATA_DIR", "/srv/killick"),
                ("ANCHORE_ADMIN_PASSWORD", "b"),
                ("KILLICK_ADMIN_PASSWORD", "a"),
                ("PATH", "/bin"),
            ]),
        )
        .unwrap();
        assert_eq!(config.server.listen.to_string(), "0.0.0.0:9");
        assert_eq!(config.server.host_id, "a");
        assert_eq!(config.analysis.workers, 7);
        assert_eq!(config.storage.data_dir, Path::new("/srv/killick"));
        assert_eq!(config.accounts.admin_password.get(), Some("a"));
    }

    #[test]
    fn wrong_settings_are_named() {
        let error = Config::load(None, variables(&[("KILLICK__SERVER__LISTN", "x")])).unwrap_err();
        assert!(format!("{error:?}").contains("listn"), "{error:?}");
        assert!(error.to_string().contains("variable `KILLICK__SERVER__LISTN`"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("killick.toml");
        fs_err::write(&file, "[server]\nlisten = 1\n").unwrap();
        let error = Config::load(Some(&file), variables(&[("KILLICK__SERVER__HOST_ID", "x")])).unwrap_err();
        assert!(error.to_string().contains("killick.toml"), "{error}");
        let error = Config::load(None, variables(&[("KILLICK__SERVER", "x")])).unwrap_err();
        assert!(error.to_string().contains("KILLICK__SERVER"), "{error}");
        let error = Config::load(Some(Path::new("/nonexistent")), Vec::new()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[test]
    fn timers_of_the_original_are_known() {
        let config = Config::load(None, variables(&[("KILLICK__CYCLE_TIMERS__ARCHIVE_TASKS", "60")])).unwrap();
        assert_eq!(config.archive.rules_every_seconds, 60);
        let error = Config::load(None, variables(&[("KILLICK__CYCLE_TIMERS__ANALYZER_QUEUE", "1")])).unwrap_err();
        assert!(
            error.to_string().contains("in the variable `KILLICK__CYCLE_TIMERS__ANALYZER_QUEUE` has no"),
            "{error}"
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut config = Config::default();
        config.accounts.admin_password = Secret::from("hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!toml::to_string(&config).unwrap().contains("hunter2"));
    }
}
