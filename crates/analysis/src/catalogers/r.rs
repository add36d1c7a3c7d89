//! R packages: what a library holds, and what renv and packrat locked.
//!
//! Formats: R manuals, "Writing R Extensions", section "The DESCRIPTION file" (`Built` is there only once a package is
//! installed, `Priority: base` marks what comes with R); renv documentation, "renv.lock"; packrat's `lockfile.R`.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};
use serde::Deserialize;

use super::deb822::paragraphs;
use super::published::{Published, repository};
use super::{Cataloger, Found, WantedFile, Wants, declared, document, package};

/// Finds R packages.
pub(super) struct R;

#[derive(Deserialize)]
struct Lock {
    #[serde(rename = "Packages", default)]
    packages: BTreeMap<String, Locked>,
}

/// Newer versions keep the whole description of a package.
#[derive(Deserialize)]
struct Locked {
    #[serde(rename = "Package")]
    name: String,
    #[serde(rename = "Version")]
    version: String,
    #[serde(rename = "Source", default)]
    source: String,
    #[serde(rename = "License")]
    license: Option<String>,
    #[serde(flatten)]
    remote: Remote,
}

/// Where a package was fetched from that is in no registry.
#[derive(Deserialize, Default)]
struct Remote {
    #[serde(rename = "RemoteType")]
    kind: Option<String>,
    #[serde(rename = "RemoteHost")]
    host: Option<String>,
    #[serde(rename = "RemoteUsername")]
    user: Option<String>,
    #[serde(rename = "RemoteRepo")]
    repository: Option<String>,
    #[serde(rename = "RemoteSha")]
    revision: Option<String>,
    #[serde(rename = "RemoteUrl")]
    url: Option<String>,
}

impl Cataloger for R {
    fn name(&self) -> &'static str {
        "r"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Cran]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/DESCRIPTION", "**/renv.lock", "**/packrat.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        match file.path.file_name() {
            b"DESCRIPTION" => description(file, found),
            b"renv.lock" => {
                let Some(lock) = document::json::<Lock>(file, found) else { return };
                found.packages.extend(lock.packages.values().map(|locked| {
                    let mut package = declared(PackageKind::Cran, &locked.name, &locked.version, file.path);
                    package.licenses = locked.license.iter().cloned().collect();
                    package.fetched_from = locked.remote.address();
                    of_registry(Some(&locked.source), package)
                }));
            }
            _ => packrat(file, found),
        }
    }
}

impl Remote {
    fn address(&self) -> Option<String> {
        let revision = self.revision.as_deref();
        let host = match self.kind.as_deref()? {
            "github" => "github.com",
            "gitlab" => "gitlab.com",
            "bitbucket" => "bitbucket.org",
            "git" | "git2r" | "xgit" => return repository("git", self.url.as_deref()?, revision),
            "url" => return self.url.clone(),
            // `standard` is a registry, `local` a file.
            _ => return None,
        };
        // The address of an interface stands for that of its host.
        let own = self.host.as_deref().filter(|host| !host.starts_with("api."));
        let own = own.map(|host| host.split('/').next().unwrap_or(host));
        let path = format!("https://{}/{}/{}", own.unwrap_or(host), self.user.as_deref()?, self.repository.as_deref()?);
        repository("git", &path, revision)
    }
}

/// Bioconductor's packages are not those of CRAN.
fn of_registry(source: Option<&str>, package: Package) -> Package {
    let is_bioconductor = source.is_some_and(|source| source.to_ascii_lowercase().starts_with("bioconductor"));
    let registry = is_bioconductor.then_some("https://bioconductor.org");
    Published::default().qualifier("repository_url", registry).of(package)
}

fn description(file: &WantedFile<'_>, found: &mut Found) {
    const FIELDS: &[&str] = &[
        "package",
        "version",
        "license",
        "maintainer",
        "built",
        "repository",
        "biocviews",
        "remotetype",
        "remotehost",
        "remoteusername",
        "remoterepo",
        "remotesha",
        "remoteurl",
    ];
    let Some(text) = document::short_text(file, found) else { return };
    let fields = paragraphs(text.as_bytes(), FIELDS).next().unwrap_or_default();
    let field = |name: &str| fields.get(name);
    // Many a file has this name.
    let (Some(name), Some(version)) = (field("package"), field("version")) else { return };
    // What was not built is the source of a package, as its author wrote it.
    let make = if field("built").is_some() { package } else { declared };
    let mut package = make(PackageKind::Cran, name, version, file.path);
    package.licenses = field("license").into_iter().map(str::to_owned).collect();
    package.origin = field("maintainer").map(str::to_owned);
    let text = |name: &str| field(name).map(str::to_owned);
    let remote = Remote {
        kind: text("remotetype"),
        host: text("remotehost"),
        user: text("remoteusername"),
        repository: text("remoterepo"),
        revision: text("remotesha"),
        url: text("remoteurl"),
    };
    package.fetched_from = remote.address();
    // `biocViews` are the categories of Bioconductor, which sets no `Repository` itself before 3.12.
    let registry = field("repository").or_else(|| field("biocviews").map(|_| "Bioconductor"));
    found.packages.push(of_registry(registry, package));
}

/// A paragraph about packrat, then one for each package.
fn packrat(file: &WantedFile<'_>, found: &mut Found) {
    const FIELDS: &[&str] = &["package", "version", "source", "githubusername", "githubrepo", "githubsha1"];
    let Some(text) = document::short_text(file, found) else { return };
    for paragraph in paragraphs(text.as_bytes(), FIELDS) {
        let field = |name: &str| paragraph.get(name);
        let (Some(name), Some(version)) = (field("package"), field("version")) else { continue };
        let mut package = declared(PackageKind::Cran, name, version, file.path);
        let remote = Remote {
            kind: field("source").map(str::to_owned),
            user: field("githubusername").map(str::to_owned),
            repository: field("githubrepo").map(str::to_owned),
            revision: field("githubsha1").map(str::to_owned),
            ..Remote::default()
        };
        package.fetched_from = remote.address();
        found.packages.push(of_registry(field("source"), package));
    }
}
