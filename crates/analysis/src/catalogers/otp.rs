//! Applications of Erlang/OTP, Elixir and what is built with them, as they lie in an installation or a release.
//!
//! Formats: Erlang/OTP documentation, `app(4)`, `rel(4)` and "OTP Versions" (the file `OTP_VERSION`); `RabbitMQ`
//! documentation, "Plugins" (`*.ez`: an application as a zip archive). An application of neither Erlang nor Elixir has
//! nothing that tells where it came from; almost all come from Hex, under the same name.

use std::collections::BTreeSet;

use killick_model::package::PackageKind;
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use super::hex::term::{self, Term};
use super::java::archive;
use super::nesting::Malformed;
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, document, package};
use crate::limits::Limits;

/// Finds applications for the Erlang runtime.
pub(super) struct Otp;

/// Applications that come with Erlang/OTP, now or once.
const ERLANG: &[&str] = &[
    "appmon",
    "asn1",
    "common_test",
    "compiler",
    "cosEvent",
    "cosEventDomain",
    "cosFileTransfer",
    "cosNotification",
    "cosProperty",
    "cosTime",
    "cosTransactions",
    "crypto",
    "debugger",
    "dialyzer",
    "diameter",
    "edoc",
    "eldap",
    "erl_docgen",
    "erl_interface",
    "erts",
    "et",
    "eunit",
    "ftp",
    "gs",
    "hipe",
    "ic",
    "inets",
    "inviso",
    "jinterface",
    "kernel",
    "megaco",
    "mnesia",
    "observer",
    "odbc",
    "orber",
    "os_mon",
    "ose",
    "otp_mibs",
    "parsetools",
    "percept",
    "pman",
    "public_key",
    "reltool",
    "runtime_tools",
    "sasl",
    "snmp",
    "ssh",
    "ssl",
    "stdlib",
    "syntax_tools",
    "test_server",
    "tftp",
    "toolbar",
    "tools",
    "tv",
    "typer",
    "webtool",
    "wx",
    "xmerl",
];

/// Applications that come with Elixir, and the client of Hex.
const ELIXIR: &[&str] = &["eex", "elixir", "ex_unit", "hex", "iex", "logger", "mix"];

/// The runtime system of a release, which has a folder but no application.
#[derive(Debug, Serialize, Deserialize)]
struct Runtime(String);

impl Cataloger for Otp {
    fn name(&self) -> &'static str {
        "otp"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Otp, PackageKind::Hex, PackageKind::Binary]
    }

    fn wants(&self) -> Wants {
        let globs = &["**/ebin/*.app", "**/plugins/*.ez", "**/releases/*/*.rel", "**/releases/*/OTP_VERSION"];
        Wants { globs, executables: &[] }
    }

    fn unpacks(&self, size: u64, limits: &Limits) -> u64 {
        archive::unpacks(size, limits)
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        if name == b"OTP_VERSION" {
            installation(file, found);
        } else if name.ends_with(b".ez") {
            packed(file, found);
        } else if let Some(text) = document::short_text(file, found) {
            match term::erlang(&text) {
                Ok(terms) if name.ends_with(b".rel") => release(&terms, found),
                Ok(terms) => application(&terms, &[], file, found),
                Err(error) => not_erlang(&error, file, found),
            }
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
        }
        let known: BTreeSet<String> = joined
            .packages
            .iter()
            .filter(|package| package.name == "erts")
            .map(|package| package.version.clone())
            .collect();
        // A release has several descriptions, and each names the runtime system once more.
        let mut seen = BTreeSet::new();
        for (path, layer, found) in image.found {
            for piece in &found.pieces {
                let Ok(Runtime(version)) = serde_json::from_slice(piece) else { continue };
                let folder = path.parent().and_then(ImagePath::new).unwrap_or_default();
                let root = folder.parent().and_then(ImagePath::new).unwrap_or_default();
                if known.contains(&version) || !seen.insert((root, version.clone())) {
                    continue;
                }
                let mut package = package(PackageKind::Otp, "erts", &version, path);
                package.layer = *layer;
                self.name().clone_into(&mut package.cataloger);
                joined.packages.push(package);
            }
        }
    }
}

fn not_erlang(error: &Malformed, file: &WantedFile<'_>, found: &mut Found) {
    document::malformed(file, format!("not the Erlang terms it should be: {error}"), found);
}

/// `{application, Name, [{vsn, Version}, …]}`.
fn application(terms: &[Term], nested: &[String], file: &WantedFile<'_>, found: &mut Found) {
    let [Term::Word(word), name, fields] = terms.first().map_or(&[][..], Term::tuple) else {
        return document::malformed(file, "an application resource file without an application", found);
    };
    let version = fields.value("vsn").and_then(Term::string).filter(|version| !version.is_empty());
    let (Some(name), Some(version), "application") = (name.text(), version, word.as_str()) else {
        return document::malformed(file, "an application without name or version", found);
    };
    let kind = if ERLANG.contains(&name) || ELIXIR.contains(&name) { PackageKind::Otp } else { PackageKind::Hex };
    let mut package = package(kind, name, version, file.path);
    let licenses = fields.value("licenses").map_or(&[][..], Term::list);
    package.licenses = licenses.iter().filter_map(Term::text).map(str::to_owned).collect();
    package.nested = nested.to_vec();
    found.packages.push(package);
}

/// `{release, {Name, Version}, {erts, Version}, Applications}`; the applications have their own files.
fn release(terms: &[Term], found: &mut Found) {
    let [_, _, runtime, ..] = terms.first().map_or(&[][..], Term::tuple) else { return };
    if let [name, version] = runtime.tuple()
        && let (Some("erts"), Some(version)) = (name.text(), version.string())
    {
        let piece = serde_json::to_vec(&Runtime(version.to_owned()));
        found.pieces.extend(piece.ok());
    }
}

/// The release of Erlang/OTP as a whole, by which its vulnerabilities are known.
fn installation(file: &WantedFile<'_>, found: &mut Found) {
    let text = String::from_utf8_lossy(file.bytes.get(..64).unwrap_or(file.bytes));
    // Two stars mark an installation that was patched with single applications.
    let version = text.trim().trim_end_matches('*').trim();
    let is_version = version.starts_with(|letter: char| letter.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    if !is_version {
        return document::malformed(file, "no version of Erlang/OTP", found);
    }
    let mut package = package(PackageKind::Binary, "erlang", version, file.path);
    package.cpes =
        [r"erlang\/otp", "otp"].map(|product| format!("cpe:2.3:a:erlang:{product}:{version}:*:*:*:*:*:*:*")).into();
    found.packages.push(package);
}

/// An application in an archive `name-version.ez`, which has the folder `name-version`.
fn packed(file: &WantedFile<'_>, found: &mut Found) {
    let file_name = String::from_utf8_lossy(file.path.file_name());
    let stem = file_name.strip_suffix(".ez").unwrap_or(&file_name);
    let name = stem.split('-').next().unwrap_or(stem);
    let member = format!("{stem}/ebin/{name}.app");
    let bytes = match archive::member(file.bytes, &member, file.limits) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return,
        Err(message) => return document::malformed(file, message, found),
    };
    match term::erlang(&String::from_utf8_lossy(&bytes)) {
        Ok(terms) => application(&terms, &[member], file, found),
        Err(error) => not_erlang(&error, file, found),
    }
}
