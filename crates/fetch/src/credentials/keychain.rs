//! All places where credentials may be, looked through once, when a registry asks for them.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{Credentials, CredentialsError, Helpers, file};
use crate::cloud::Cloud;
use crate::registry::RegistryOptions;

/// The credentials of one repository, once they are looked for.
pub(crate) struct Keychain {
    given: Option<Credentials>,
    files: Vec<PathBuf>,
    helpers: Option<Helpers>,
    cloud: Option<Cloud>,
    found: OnceCell<Found>,
}

#[derive(Default)]
struct Found {
    credentials: Option<Credentials>,
    /// The first place that could not be looked at.
    fault: Option<Arc<CredentialsError>>,
}

impl Keychain {
    /// Of all places that `options` name.
    pub(crate) fn of(options: &RegistryOptions) -> Self {
        Self {
            given: options.credentials.clone(),
            files: options.credential_files.clone(),
            helpers: options.helpers.clone(),
            // Whoever listens in, or stands in for the registry, must not get these.
            cloud: options.cloud.clone().filter(|_| !options.plain_http && !options.skip_tls_verify),
            found: OnceCell::new(),
        }
    }

    /// Who we are at `registry`.
    pub(crate) async fn look_up(&self, registry: &str, repository: &str) -> Option<&Credentials> {
        self.found.get_or_init(|| self.search(registry, repository)).await.credentials.as_ref()
    }

    /// Whether we were anybody, as far as was asked for.
    pub(crate) fn has_credentials(&self) -> bool {
        self.found.get().is_some_and(|found| found.credentials.is_some())
    }

    /// What kept us from being anybody.
    pub(crate) fn fault(&self) -> Option<Arc<CredentialsError>> {
        self.found.get().filter(|found| found.credentials.is_none())?.fault.clone()
    }

    async fn search(&self, registry: &str, repository: &str) -> Found {
        let mut found = Found { credentials: self.given.clone(), fault: None };
        for path in &self.files {
            if found.credentials.is_some() {
                return found;
            }
            let said = match file::read(path, registry, repository) {
                Ok(said) => said,
                Err(error) => {
                    found.note(error);
                    continue;
                }
            };
            if let Some(helpers) = &self.helpers {
                for name in &said.helpers {
                    match helpers.ask(name, registry).await {
                        Ok(None) => {}
                        Ok(credentials) => return Found { credentials, fault: None },
                        Err(error) => found.note(error),
                    }
                }
            }
            found.credentials = said.credentials;
        }
        if let Some(cloud) = self.cloud.as_ref().filter(|_| found.credentials.is_none()) {
            match cloud.log_in(registry).await {
                Ok(credentials) => found.credentials = credentials,
                Err(error) => found.note(error.into()),
            }
        }
        found
    }
}

impl Found {
    fn note(&mut self, error: CredentialsError) {
        tracing::debug!("no credentials: {error}");
        self.fault.get_or_insert_with(|| Arc::new(error));
    }
}
