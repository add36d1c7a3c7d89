//! `WordPress`, its plugins and its themes.
//!
//! Formats: `WordPress` developer resources, "Header Requirements" of plugins and "Main Stylesheet (style.css)" of
//! themes; both are read by `get_file_data()`, which sees the first 8 KiB of a file and takes `Name: value` wherever
//! only comment marks stand before it. Plugins and themes are known by their folders, the slugs of the directory of
//! `WordPress`.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, package};

/// Finds `WordPress` and what extends it.
pub(super) struct Wordpress;

/// Bytes of a file that may hold its header.
const HEADER_BYTES: usize = 8 << 10;

/// The version in the readme of a plugin, for plugins whose header has none.
#[derive(Debug, Serialize, Deserialize)]
struct StableTag(String);

impl Cataloger for Wordpress {
    fn name(&self) -> &'static str {
        "wordpress"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Wordpress]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/wp-includes/version.php",
                "**/wp-content/plugins/*.php",
                "**/wp-content/plugins/*/*.php",
                "**/wp-content/plugins/*/readme.txt",
                "**/wp-content/mu-plugins/*.php",
                "**/wp-content/themes/*/style.css",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let head = String::from_utf8_lossy(file.bytes.get(..HEADER_BYTES).unwrap_or(file.bytes));
        match file.path.file_name() {
            b"version.php" if folder(file.path) == "wp-includes" => core(&head, file, found),
            b"readme.txt" => {
                let tag = StableTag(header(&head, "Stable tag").unwrap_or_default());
                found.pieces.extend(serde_json::to_vec(&tag).ok());
            }
            b"style.css" => found.packages.extend(extension(&head, "Theme Name", "theme", file)),
            _ => found.packages.extend(extension(&head, "Plugin Name", "plugin", file)),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut tags: BTreeMap<&[u8], String> = BTreeMap::new();
        for (path, _, found) in image.found {
            let tag = found.pieces.iter().find_map(|piece| serde_json::from_slice(piece).ok());
            tags.extend(tag.map(|StableTag(tag)| (path.parent().unwrap_or_default(), tag)));
        }
        for (path, layer, found) in image.found {
            let folder = path.parent().unwrap_or_default();
            let from = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            for package in joined.packages[from..].iter_mut().filter(|package| package.version.is_empty()) {
                if let Some(tag) = tags.get(folder).filter(|tag| tag.as_str() != "trunk") {
                    package.version.clone_from(tag);
                }
            }
            for package in &mut joined.packages[from..] {
                package.cpes = cpes(package);
            }
        }
    }
}

/// The name of the folder that a file lies in.
fn folder(path: &ImagePath) -> String {
    let folder = path.parent().unwrap_or_default().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    String::from_utf8_lossy(folder).into_owned()
}

/// `$wp_version = '6.4.2';`
fn core(head: &str, file: &WantedFile<'_>, found: &mut Found) {
    let value =
        head.lines().find_map(|line| line.trim_start().strip_prefix("$wp_version")?.trim_start().strip_prefix('='));
    let version = value.and_then(|value| value.split(['\'', '"']).nth(1)).filter(|version| !version.is_empty());
    match version {
        Some(version) => found.packages.push(package(PackageKind::Wordpress, "wordpress", version, file.path)),
        None => super::document::malformed(file, "no version of WordPress", found),
    }
}

/// A plugin or theme, if the file begins with the header of one.
fn extension(head: &str, title: &str, what: &str, file: &WantedFile<'_>) -> Option<Package> {
    header(head, title)?;
    let folder = folder(file.path);
    let slug = if folder.ends_with("plugins") {
        let name = String::from_utf8_lossy(file.path.file_name());
        name.strip_suffix(".php").unwrap_or(&name).to_owned()
    } else {
        folder
    };
    let version = header(head, "Version").unwrap_or_default();
    let mut package = package(PackageKind::Wordpress, &format!("{what}/{slug}"), &version, file.path);
    package.licenses = header(head, "License").into_iter().collect();
    package.origin = header(head, "Author");
    Some(package)
}

/// The value of a header: `Name: value` after nothing but comment marks.
fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let line = line.strip_prefix("<?php").unwrap_or(line);
        let line = line.trim_start_matches([' ', '\t', '/', '*', '#', '@', '=']);
        let (found, value) = line.split_once(':')?;
        let value = value.split("*/").next().unwrap_or(value).split("?>").next().unwrap_or(value).trim();
        (found.trim_end().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Vulnerabilities of plugins are known under their slugs, as software for `WordPress`.
fn cpes(package: &Package) -> Vec<String> {
    if package.version.is_empty() {
        return Vec::new();
    }
    let word = |text: &str| -> String {
        let letters = text.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' });
        letters.flat_map(char::to_lowercase).collect()
    };
    let version = package.version.replace([':', ' '], "");
    let Some((_, slug)) = package.name.split_once('/') else {
        return vec![format!("cpe:2.3:a:wordpress:wordpress:{version}:*:*:*:*:*:*:*")];
    };
    let author = package.origin.as_deref().map(word).unwrap_or_default();
    let mut vendors = vec![word(slug), format!("{}_project", word(slug)), author];
    vendors.retain(|vendor| !vendor.is_empty());
    let products = [word(slug), slug.to_lowercase()];
    let mut cpes: Vec<String> = Vec::new();
    for vendor in vendors {
        for product in &products {
            let product: String = product
                .chars()
                .flat_map(|letter| {
                    if letter.is_alphanumeric() || "_-.".contains(letter) { vec![letter] } else { vec!['\\', letter] }
                })
                .collect();
            let cpe = format!("cpe:2.3:a:{vendor}:{product}:{version}:*:*:*:*:wordpress:*:*");
            if !cpes.contains(&cpe) {
                cpes.push(cpe);
            }
        }
    }
    cpes
}
