//! The certificate authorities that the system trusts.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Certificate;
use rustls::RootCertStore;

/// For how long they are believed without another look: to read some hundred files for each client was the largest part
/// of adding a small image to a service.
const FRESH: Duration = Duration::from_mins(1);

/// When they were read, and what they were.
static READ: Mutex<Option<(Instant, Vec<Certificate>)>> = Mutex::new(None);

/// The authorities as of the last minute; none where the system has none.
pub(super) fn of_system() -> Vec<Certificate> {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, certificates)) = read.as_ref()
        && at.elapsed() < FRESH
    {
        return certificates.clone();
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("certificate authorities of the system cannot be read: {error}");
    }
    // One that cannot be read must not cost the others.
    let readable = found.certs.into_iter().filter(|der| RootCertStore::empty().add(der.clone()).is_ok());
    let certificates: Vec<Certificate> = readable.filter_map(|der| Certificate::from_der(&der).ok()).collect();
    *read = Some((Instant::now(), certificates.clone()));
    certificates
}
