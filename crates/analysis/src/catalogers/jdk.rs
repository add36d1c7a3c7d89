//! Java runtimes and development kits: the `release` file at the root of each.
//!
//! Format: lines `NAME="value"`, written by the build of Java (`make/ReleaseFile.gmk`) since version 7 and extended by
//! those who build it. What advisories know is the release of Java itself, whoever built it; the builder is kept.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};

use super::{Cataloger, Found, WantedFile, Wants, package};

/// Finds Java runtimes.
pub(super) struct Jdk;

/// A real file has two kilobytes, most of them names of modules.
const FILE_BYTES: usize = 64 << 10;

/// Who builds Java: a word of `IMPLEMENTOR`, the name of the product, and its vendor among CPEs.
const BUILDERS: &[(&str, &str, &str)] = &[
    ("adoptium", "temurin", "eclipse"),
    ("eclipse", "temurin", "eclipse"),
    ("adoptopenjdk", "adoptopenjdk", "adoptopenjdk"),
    ("azul", "zulu", "azul"),
    ("amazon", "corretto", "amazon"),
    ("bellsoft", "liberica", "bellsoft"),
    ("sap", "sapmachine", "sap"),
    ("ibm", "semeru", "ibm"),
    ("international business machines", "semeru", "ibm"),
    ("alibaba", "dragonwell", "alibaba"),
    ("tencent", "kona", "tencent"),
    ("microsoft", "microsoft-openjdk", "microsoft"),
    ("jetbrains", "jetbrains-runtime", "jetbrains"),
];

impl Cataloger for Jdk {
    fn name(&self) -> &'static str {
        "jdk"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Binary]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/release"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.bytes.len() > FILE_BYTES {
            return;
        }
        let text = String::from_utf8_lossy(file.bytes);
        let values: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let get = |name: &str| values.get(name).copied();
        // Other things have a file of this name as well.
        let Some(version) = get("JAVA_VERSION") else { return };
        let implementor = get("IMPLEMENTOR").unwrap_or_default();
        let make = |name: &str, version: &str| {
            let mut package = package(PackageKind::Binary, name, version, file.path);
            package.origin = Some(implementor.to_owned()).filter(|name| !name.is_empty());
            package.architecture = get("OS_ARCH").map(str::to_owned);
            package
        };
        if let Some(version) = get("GRAALVM_VERSION") {
            let mut graalvm = make("graalvm", version);
            graalvm.cpes = vec![cpe("oracle", "graalvm", version)];
            found.packages.push(graalvm);
        }
        found.packages.push(java(version, implementor, get, make));
    }
}

fn java<'a>(
    version: &str,
    implementor: &str,
    get: impl Fn(&str) -> Option<&'a str>,
    make: impl Fn(&str, &str) -> Package,
) -> Package {
    let is_runtime = get("IMAGE_TYPE").is_some_and(|kind| kind.eq_ignore_ascii_case("jre"));
    // Oracle builds both its own product and the open one.
    if get("BUILD_TYPE") == Some("commercial") {
        let name = if is_runtime { "jre" } else { "jdk" };
        let mut package = make(name, version);
        package.cpes = vec![cpe("oracle", name, version)];
        return package;
    }
    let implementor = implementor.to_lowercase();
    let builder = BUILDERS.iter().find(|(word, ..)| implementor.contains(word));
    let mut package = make(builder.map_or("openjdk", |(_, name, _)| name), version);
    package.cpes = vec![cpe("oracle", "openjdk", version)];
    package.cpes.extend(builder.map(|(_, name, vendor)| cpe(vendor, name, version)));
    package
}

/// `1.8.0_292` is update 292 in the words of the dictionary.
fn cpe(vendor: &str, product: &str, version: &str) -> String {
    let (version, update) = match version.split_once('_') {
        Some((version, update)) => {
            let digits = update.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(update.len());
            (
                version,
                if digits > 0 { format!("update{}", update.get(..digits).unwrap_or_default()) } else { "*".to_owned() },
            )
        }
        None => (version, "*".to_owned()),
    };
    // Before 9 the dictionary drops the `1.` from the open product's versions.
    let version = match version.strip_prefix("1.").filter(|_| product == "openjdk") {
        Some(rest) => rest.split('.').next().unwrap_or(rest),
        None => version,
    };
    let escaped: String = version
        .chars()
        .flat_map(|letter| {
            let is_plain = letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
            (!is_plain).then_some('\\').into_iter().chain([letter])
        })
        .collect();
    format!("cpe:2.3:a:{vendor}:{product}:{escaped}:{update}:*:*:*:*:*:*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_the_words_of_the_dictionary() {
        for (vendor, product, version, want) in [
            ("oracle", "openjdk", "17.0.15", "oracle:openjdk:17.0.15:*"),
            ("oracle", "openjdk", "1.8.0_292", "oracle:openjdk:8:update292"),
            ("oracle", "jdk", "1.8.0_292-b10", "oracle:jdk:1.8.0:update292"),
            ("azul", "zulu", "21+x", "azul:zulu:21\\+x:*"),
        ] {
            assert_eq!(cpe(vendor, product, version), format!("cpe:2.3:a:{want}:*:*:*:*:*:*"));
        }
    }
}
