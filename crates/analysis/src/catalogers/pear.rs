//! Packages that `pear` and `pecl` installed: the `*.reg` files of a `.registry` folder.
//!
//! Format: PEAR itself (`PEAR/Registry.php`): a serialised array for each package, in a folder for each channel but
//! `pear.php.net`. What `package.xml` 1.0 says is flat, what 2.0 says nested.

use killick_model::package::{OwnedFile, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde_json::Value;

use super::{Cataloger, Found, WantedFile, Wants, package, php};

/// Finds packages of PEAR and PECL.
pub(super) struct Pear;

impl Cataloger for Pear {
    fn name(&self) -> &'static str {
        "pear"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Pecl, PackageKind::Pear]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/.registry/*.reg", "**/.registry/.channel.*/*.reg"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let entry = match php::unserialize(file.bytes) {
            Ok(entry) => entry,
            Err(message) => {
                found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
                return;
            }
        };
        let name = text(&entry["name"]).or_else(|| text(&entry["package"]));
        let version = text(&entry["version"]["release"]).or_else(|| text(&entry["version"]));
        let (Some(name), Some(version)) = (name, version) else {
            let message = "a PEAR package without name or version";
            found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            return;
        };
        let channel = text(&entry["channel"]).unwrap_or_else(|| channel(file.path));
        let (kind, name) = match channel {
            "pecl.php.net" => (PackageKind::Pecl, name.to_owned()),
            "pear.php.net" => (PackageKind::Pear, name.to_owned()),
            other => (PackageKind::Pear, format!("{other}/{name}")),
        };
        let mut package = package(kind, &name, version, file.path);
        let license = &entry["license"];
        let license = text(license).or_else(|| text(&license["_content"])).or_else(|| text(&entry["release_license"]));
        package.licenses = license.map(str::to_owned).into_iter().collect();
        package.origin = maintainer(&entry);
        package.files = files(&entry["filelist"]);
        found.packages.push(package);
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The channel whose folder the file lies in.
fn channel(path: &ImagePath) -> &str {
    let folder = path.parent().and_then(|parent| parent.rsplit(|&byte| byte == b'/').next()).unwrap_or_default();
    let channel = folder.strip_prefix(b".channel.").and_then(|channel| std::str::from_utf8(channel).ok());
    channel.unwrap_or("pear.php.net")
}

/// The lead developer: one, or the first of several.
fn maintainer(entry: &Value) -> Option<String> {
    let person = [&entry["lead"], &entry["lead"]["0"], &entry["maintainers"]["0"]]
        .into_iter()
        .find(|person| text(&person["name"]).is_some())?;
    let name = text(&person["name"])?;
    Some(text(&person["email"]).map_or_else(|| name.to_owned(), |email| format!("{name} <{email}>")))
}

fn files(list: &Value) -> Vec<OwnedFile> {
    let owned = |entry: &Value| {
        let path = text(&entry["installed_as"])?;
        let md5 = text(&entry["md5sum"]).filter(|digest| digest.len() == 32);
        Some(OwnedFile {
            path: ImagePath::new(path.as_bytes())?,
            digest: md5.map(|digest| ("md5".to_owned(), digest.to_ascii_lowercase())),
            mode: None,
            size: None,
            is_config: false,
        })
    };
    list.as_object().into_iter().flat_map(|list| list.values()).filter_map(owned).collect()
}
