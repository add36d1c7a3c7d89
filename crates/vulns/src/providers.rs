//! Providers: one file per source of advisories, from its own format to our records.
//!
//! A provider reads files that lie under a root folder as they lie at its upstream, as a stream, and files records
//! in a [`Sink`]. It judges nothing: which statement wins is the matcher's business. A record that cannot be
//! understood is counted, reported and skipped; a file that breaks off condemns its whole unit, because half a
//! feed would silently mean "fixed".
//!
//! Formats that several vendors share are modules of their own, which know no vendor: `csaf`, `openvex`, `oval`,
//! `updateinfo`.

use std::path::{Path, PathBuf};

use killick_model::feed::Upstream;

pub(crate) use self::input::tree;
pub use self::input::{Input, ReadError};
pub use self::sink::{Filing, Namespace, Sink};

mod almalinux;
mod alpine;
mod amazon;
mod anchore;
mod arch;
mod azurelinux;
mod bottlerocket;
mod csaf;
mod cvelist;
mod debian;
mod elts;
mod eol;
mod epss;
mod fedora;
mod gentoo;
mod ghsa;
mod govulndb;
mod grype;
mod input;
pub(crate) mod json;
mod kev;
mod nvd;
mod openeuler;
mod openvex;
mod oracle;
mod osv;
mod oval;
mod photon;
pub(crate) mod rhel;
mod rocky;
mod said;
mod secdb;
mod sink;
mod support;
pub(crate) mod suse;
#[cfg(test)]
pub(crate) mod tests;
mod ubuntu;
mod updateinfo;
mod xml;

/// Every provider, by name.
pub const PROVIDERS: &[Provider] = &[
    almalinux::PROVIDER,
    alpine::PROVIDER,
    amazon::PROVIDER,
    anchore::PROVIDER,
    arch::PROVIDER,
    azurelinux::PROVIDER,
    bottlerocket::PROVIDER,
    cvelist::PROVIDER,
    debian::PROVIDER,
    elts::PROVIDER,
    eol::PROVIDER,
    epss::PROVIDER,
    fedora::PROVIDER,
    gentoo::PROVIDER,
    ghsa::PROVIDER,
    govulndb::PROVIDER,
    grype::PROVIDER,
    kev::PROVIDER,
    nvd::PROVIDER,
    openeuler::PROVIDER,
    oracle::PROVIDER,
    osv::PROVIDER,
    photon::PROVIDER,
    rhel::PROVIDER,
    rocky::PROVIDER,
    secdb::PROVIDER,
    support::PROVIDER,
    suse::PROVIDER,
    ubuntu::PROVIDER,
];

/// One source of advisories.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Stable name, shown in evidence.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// Where its files are fetched from. Whoever fetches goes by this; nothing here does.
    pub upstreams: &'static [Upstream],
    /// Finds its files under a root folder: units that are read together, each a list of relative paths.
    pub find: fn(&Path) -> Vec<Vec<PathBuf>>,
    /// Reads one file.
    pub read: fn(&Input<'_>, &mut Sink) -> Result<(), ReadError>,
}

/// The provider with this name.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// Files of `folder` under `root` that `wanted` accepts by name, sorted, as paths relative to `root`.
fn files_in(root: &Path, folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs_err::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted) && entry.path().is_file())
        .map(|entry| Path::new(folder).join(entry.file_name()))
        .collect();
    found.sort();
    found
}

/// Whether a file name has this extension.
fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Names of the folders in `folder` under `root`, sorted.
fn folders_in(root: &Path, folder: &str) -> Vec<String> {
    let mut found: Vec<String> = fs_err::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    found.sort();
    found
}

/// The files among `candidates` that exist under `root`, as one unit each.
fn existing(root: &Path, candidates: &[&str]) -> Vec<Vec<PathBuf>> {
    candidates.iter().filter(|path| root.join(path).is_file()).take(1).map(|path| vec![PathBuf::from(path)]).collect()
}
