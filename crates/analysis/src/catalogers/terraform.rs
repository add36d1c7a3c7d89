//! Providers and modules of Terraform and `OpenTofu`: what is locked, and what was installed.
//!
//! Formats: Terraform documentation, "Dependency Lock File", and "CLI Configuration File", "Provider Installation" for
//! the folders `HOST/NAMESPACE/TYPE/VERSION/PLATFORM/` of mirrors; `.terraform/modules/modules.json` of `terraform
//! init`. A provider is known by its whole address, host included.

use std::collections::BTreeMap;

use killick_model::package::PackageKind;
use killick_model::path::ImagePath;
use serde::Deserialize;

use super::tokens::{self, Syntax, Token};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds providers and modules.
pub(super) struct Terraform;

const SYNTAX: Syntax =
    Syntax { line_comments: &["#", "//"], block_comments: &[("/*", "*/")], quotes: &["\""], long_brackets: false };

/// Folders that hold providers, each in folders of its address.
const FOLDERS: [&[u8]; 5] = [
    b".terraform/providers/",
    b".terraform.d/plugins/",
    b".terraform.d/plugin-cache/",
    b"share/terraform/plugins/",
    b"share/terraform/providers/",
];

#[derive(Deserialize)]
struct Modules {
    #[serde(rename = "Modules", default)]
    modules: Vec<Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "Source", default)]
    source: String,
    /// Of modules of a registry alone.
    #[serde(rename = "Version", default)]
    version: String,
}

impl Cataloger for Terraform {
    fn name(&self) -> &'static str {
        "terraform"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Terraform]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/.terraform.lock.hcl", "**/.terraform/modules/modules.json"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name() == b"modules.json" {
            let Some(modules) = document::json::<Modules>(file, found) else { return };
            // The folder of one module is listed once for each place that uses it.
            let used = modules.modules.iter().filter(|module| !module.version.is_empty());
            let used: BTreeMap<(&str, &str), ()> =
                used.map(|module| ((module_name(&module.source), module.version.as_str()), ())).collect();
            let packages = used.keys().map(|(name, version)| package(PackageKind::Terraform, name, version, file.path));
            found.packages.extend(packages);
            return;
        }
        let Some(text) = document::short_text(file, found) else { return };
        match tokens::read(&text, &SYNTAX) {
            Ok(tokens) => lock(&tokens, file, found),
            Err(error) => document::malformed(file, format!("no lock file of Terraform: {error}"), found),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
        }
        // Providers are told by their folders alone: they are executables of any size, or archives.
        let mut providers: BTreeMap<(ImagePath, String, String), (&ImagePath, u32)> = BTreeMap::new();
        for file in image.files.iter().filter(|file| is_provider(file.path.file_name())) {
            let Some((folder, name, version)) = installed(&file.path) else { continue };
            providers.entry((folder, name, version)).or_insert((&file.path, file.layer));
        }
        for ((_, name, version), (path, layer)) in providers {
            let mut package = package(PackageKind::Terraform, &name, &version, path);
            package.layer = layer;
            self.name().clone_into(&mut package.cataloger);
            joined.packages.push(package);
        }
    }
}

/// The source of a module without the folder in it that is used: `registry.terraform.io/a/b/c//modules/d`.
fn module_name(source: &str) -> &str {
    source.split("//").next().unwrap_or(source)
}

/// `provider "ADDRESS" { version = "…" … }`.
fn lock(tokens: &[Token], file: &WantedFile<'_>, found: &mut Found) {
    for block in tokens.windows(3) {
        let [Token::Word(word), Token::Text(address), Token::Group('{', body)] = block else { continue };
        if word != "provider" {
            continue;
        }
        let version = body.windows(3).find_map(|value| match value {
            [Token::Word(name), equals, Token::Text(version)] if name == "version" && equals.is('=') => Some(version),
            _ => None,
        });
        match version {
            Some(version) => {
                found.packages.push(declared(PackageKind::Terraform, &with_host(address), version, file.path));
            }
            None => document::malformed(file, format!("no version of `{address}`"), found),
        }
    }
}

/// Addresses without a host are of Terraform's own registry.
fn with_host(address: &str) -> String {
    if address.matches('/').count() >= 2 { address.to_owned() } else { format!("registry.terraform.io/{address}") }
}

fn is_provider(name: &[u8]) -> bool {
    name.starts_with(b"terraform-provider-")
}

/// The folder with providers, the address and the version of `FOLDER/HOST/NAMESPACE/TYPE/VERSION/PLATFORM/FILE`, or
/// packed, of `FOLDER/HOST/NAMESPACE/TYPE/terraform-provider-TYPE_VERSION_PLATFORM.zip`.
fn installed(path: &ImagePath) -> Option<(ImagePath, String, String)> {
    let bytes = path.as_bytes();
    let (at, length) = FOLDERS.iter().find_map(|folder| Some((memchr::memmem::find(bytes, folder)?, folder.len())))?;
    let folder = ImagePath::new(&bytes[..at + length])?;
    let rest = String::from_utf8_lossy(&bytes[at + length..]).into_owned();
    let parts: Vec<&str> = rest.split('/').collect();
    let (address, version) = match parts.as_slice() {
        [host, namespace, kind, version, _, _] => ([*host, *namespace, *kind], *version),
        [host, namespace, kind, file] => {
            let rest = file.strip_prefix("terraform-provider-")?.strip_prefix(kind)?.strip_prefix('_')?;
            ([*host, *namespace, *kind], rest.strip_suffix(".zip")?.split('_').next()?)
        }
        _ => return None,
    };
    let is_version = version.starts_with(|letter: char| letter.is_ascii_digit());
    is_version.then(|| (folder, address.join("/"), version.to_owned()))
}
