//! Certificates for single registries in folders, as Docker and Podman lay them (`certs.d/HOST[:PORT]/`): `*.crt` to
//! trust, `NAME.cert` with `NAME.key` to show who we are.

use std::io;
use std::path::{Path, PathBuf};

use killick_model::reference::Reference;
use secrecy::SecretSlice;

use super::error::RegistryError;
use crate::environment::Environment;

/// Files of a folder that are looked at.
const FILES: usize = 1000;

/// What the folders hold for one registry.
#[derive(Default)]
pub(super) struct Certificates {
    /// To trust, in PEM.
    pub(super) ca: Option<Vec<u8>>,
    /// Our own with its key, in PEM.
    pub(super) identity: Option<SecretSlice<u8>>,
}

/// The folders that Docker's and Podman's own commands would look into.
pub fn usual_certificate_folders(environment: &Environment) -> Vec<PathBuf> {
    let config = environment.path("XDG_CONFIG_HOME").or_else(|| environment.home(".config"));
    let own = [config.map(|folder| folder.join("containers/certs.d")), environment.home(".docker/certs.d")];
    let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().flatten().chain(system).collect()
}

/// What the first of the folders that knows the registry holds for it.
pub(super) fn find(folders: &[PathBuf], reference: &Reference) -> Result<Certificates, RegistryError> {
    let host = &reference.registry;
    // A reference has no other hosts; but a folder is not entered on that trust alone.
    if host.contains('/') || host.starts_with('.') || host.is_empty() {
        return Ok(Certificates::default());
    }
    for folder in folders.iter().map(|folder| folder.join(host)) {
        let fail = |path: &Path, source| {
            let (registry, path) = (host.clone(), path.to_owned());
            RegistryError::CertificateFile { registry, path, source }
        };
        let entries = match fs_err::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(fail(&folder, source)),
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(FILES).collect();
        files.sort();
        let read = |path: &Path| fs_err::read(path).map_err(|source| fail(path, source));
        let mut found = Certificates::default();
        for path in &files {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => {
                    let pem = found.ca.get_or_insert_default();
                    pem.extend(read(path)?);
                    pem.push(b'\n');
                }
                Some("cert") if found.identity.is_none() => {
                    let certificate = read(path)?;
                    let key = read(&path.with_extension("key"))?;
                    found.identity = Some(SecretSlice::from([certificate, b"\n".to_vec(), key].concat()));
                }
                _ => {}
            }
        }
        return Ok(found);
    }
    Ok(Certificates::default())
}
