//! `--vex` and how vulnerabilities are judged: whose word counts.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::matching::Matches;
use killick_model::reference::Reference;
use killick_model::vex::VexOrigin;
use killick_report::attestation::Settings;
use killick_vulns::dsse::VerifyingKey;
use killick_vulns::vex::{self, Image, MAX_BYTES, Vex, VexSettings, Voice};
use killick_vulns::{CpeUse, Index, MatchOptions, SEVERITY_ORDER, SeverityOrder, Subject};

use crate::report_error::{hinted, with_hint};

/// Files of a folder of documents.
const MAX_FILES: usize = 10_000;

/// How vulnerabilities are judged.
#[derive(Debug, Args)]
pub(crate) struct DecisionArgs {
    /// VEX document (`OpenVEX`, CSAF, CycloneDX), or a folder of them; what it says counts. May be repeated
    #[arg(long, value_name = "FILE")]
    vex: Vec<PathBuf>,
    /// Issuer whose VEX documents count when they are attached to the image; `registry.example.com/team/app` for those that
    /// name none. May be repeated
    #[arg(long, value_name = "NAME", env = "KILLICK_VEX_ISSUERS", value_delimiter = ';')]
    vex_issuer: Vec<String>,
    /// Public key (PEM: Ed25519, ECDSA, RSA; or `ed25519:…`): only VEX documents that it, or another one given, signed (DSSE) count. May be
    /// repeated
    #[arg(long, value_name = "FILE")]
    vex_key: Vec<PathBuf>,
    /// Who is heard first: the documents of --vex, the vendor's data, attached documents
    #[arg(long, value_name = "VOICES", value_delimiter = ',', default_value = "user,vendor,attached")]
    vex_order: Vec<VoiceName>,
    /// Do not believe VEX statements that are older than this
    #[arg(long, value_name = "DAYS")]
    vex_max_age: Option<u32>,
    /// Who issues the VEX documents that are written: `NAME`, or `NAME <https://address>`
    #[arg(long, value_name = "NAME", env = "KILLICK_VEX_AUTHOR")]
    vex_author: Option<String>,
    /// Whose severity counts first: `vendor` for the distribution, nvd, ghsa, cna and others
    #[arg(long, value_name = "SOURCES", env = "KILLICK_SEVERITY_ORDER", value_delimiter = ',')]
    severity_order: Vec<String>,
    /// Look every package up by CPE as well, with names made of what it says of itself: finds more, and more that is wrong
    #[arg(long)]
    cpe: bool,
}

/// The words of `--vex-order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VoiceName {
    /// The documents of `--vex`.
    User,
    /// The vendor's data in the advisory index.
    Vendor,
    /// Documents that are attached to the image.
    Attached,
}

/// Documents and options, ready to judge images.
pub(super) struct Decisions {
    pub(super) options: MatchOptions,
    vex: Vex,
    pub(super) author: Option<String>,
    reference: Option<Reference>,
    /// Digests of the documents of the user, ascending.
    pub(super) given: Vec<Digest>,
    /// What is to be recorded of how it is judged; nothing of the policy.
    pub(super) settings: Settings,
}

impl DecisionArgs {
    /// As they were recorded, with the documents and keys that were digests there.
    pub(super) fn recorded(settings: &Settings, vex: Vec<PathBuf>, vex_key: Vec<PathBuf>) -> anyhow::Result<Self> {
        let voice = |name: &String| {
            VoiceName::from_str(name, false).map_err(|_| anyhow::anyhow!("nobody is heard as `{name}` in this version"))
        };
        Ok(Self {
            vex,
            vex_key,
            vex_issuer: settings.vex_issuers.clone(),
            vex_order: settings.vex_order.iter().map(voice).collect::<anyhow::Result<_>>()?,
            vex_max_age: settings.vex_max_age_days,
            vex_author: None,
            severity_order: settings.severity_order.clone(),
            cpe: settings.cpe,
        })
    }
}

/// The name of the image in a registry, if it is read from one.
pub(super) fn registry_reference(source: &str) -> Option<Reference> {
    match killick_fetch::Source::parse(source) {
        Ok(killick_fetch::Source::Registry(reference)) => Some(reference),
        _ => None,
    }
}

impl Decisions {
    /// Reads the documents; `source` is what the user calls the image.
    pub(super) fn of(args: &DecisionArgs, source: &str, now: Timestamp) -> anyhow::Result<Self> {
        Self::about(args, registry_reference(source), now)
    }

    /// Reads the documents, which may speak of `reference`.
    pub(super) fn about(args: &DecisionArgs, reference: Option<Reference>, now: Timestamp) -> anyhow::Result<Self> {
        let voice = |name: &VoiceName| match name {
            VoiceName::User => Voice::User,
            VoiceName::Vendor => Voice::Vendor,
            VoiceName::Attached => Voice::Attached,
        };
        let settings = VexSettings {
            issuers: args.vex_issuer.clone(),
            keys: keys(&args.vex_key)?,
            order: args.vex_order.iter().map(voice).collect(),
            max_age_days: args.vex_max_age,
            ..VexSettings::at(now)
        };
        let mut vex_keys: Vec<String> = settings.keys.iter().map(|key| key.id().to_owned()).collect();
        vex_keys.sort();
        let mut vex = Vex::new(settings);
        let mut given = Vec::new();
        for path in &args.vex {
            for file in files(path)? {
                let bytes = read(&file)?;
                given.push(Digest::of(&bytes));
                let is_read = vex.add(&file.display().to_string(), &bytes, VexOrigin::User);
                // A folder may hold other things; what is named is meant.
                if !is_read && file == *path {
                    let reason = vex.problems().last().map(|problem| problem.message.clone()).unwrap_or_default();
                    return Err(with_hint(
                        format!("`{}` cannot be used with `--vex`: {reason}", path.display()),
                        "give an OpenVEX, CSAF or CycloneDX document in JSON, signed (DSSE) or not, or a folder of them",
                    ));
                }
            }
        }
        given.sort();
        given.dedup();
        let severity_order: Vec<String> = args.severity_order.iter().map(|name| name.trim().to_owned()).collect();
        let settings = Settings {
            severity_order: severity_order.clone(),
            cpe: args.cpe,
            vex_issuers: args.vex_issuer.clone(),
            vex_keys,
            vex_order: args.vex_order.iter().map(|name| voice(name).name().to_owned()).collect(),
            vex_max_age_days: args.vex_max_age,
            ..Settings::default()
        };
        let severity_order = SeverityOrder::new(severity_order);
        if let Some((word, meant)) = severity_order.mistakes().next() {
            let meant = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
            let hint = format!("`vendor` is the distribution; who else rates: {}", SEVERITY_ORDER.join(", "));
            return Err(with_hint(format!("`{word}` in the order of severities rates nothing{meant}"), hint));
        }
        let options = MatchOptions {
            severity_order,
            cpe: if args.cpe { CpeUse::All } else { CpeUse::default() },
            ..MatchOptions::default()
        };
        Ok(Self { options, vex, author: args.vex_author.clone(), reference, given, settings })
    }

    /// The image as documents may speak of it.
    pub(super) fn image<'a>(&'a self, analysis: &'a Analysis) -> Image<'a> {
        Image::new(analysis, self.reference.as_ref())
    }

    /// The given documents, and those that are attached to the image.
    pub(super) fn documents(&self, analysis: &Analysis) -> Vex {
        let repository =
            self.reference.as_ref().map(|reference| format!("{}/{}", reference.registry, reference.repository));
        self.vex.with_attached(analysis, repository.as_deref())
    }

    /// The matches of an image, with what the documents make of them.
    pub(super) fn judge(&self, index: &Index, analysis: &Analysis) -> anyhow::Result<Matches> {
        let mut matches =
            killick_vulns::match_packages(index, Subject::from(analysis), &self.options).map_err(hinted)?;
        let vex = self.documents(analysis);
        if !vex.is_empty() {
            let order = &self.options.severity_order;
            vex::apply(index, &self.image(analysis), &vex, order, &mut matches).map_err(hinted)?;
        }
        Ok(matches)
    }
}

/// Bytes of a file of keys.
const MAX_KEY_BYTES: u64 = 1 << 20;

/// The public keys of files, or those given on a line each.
pub(super) fn keys(paths: &[PathBuf]) -> anyhow::Result<Vec<VerifyingKey>> {
    use std::io::Read as _;
    let mut keys = Vec::new();
    for path in paths {
        if let Some(line) = path.to_str().filter(|text| text.starts_with("ed25519:")) {
            keys.extend(VerifyingKey::read(line).map_err(hinted)?);
            continue;
        }
        let mut text = String::new();
        fs_err::File::open(path)?.take(MAX_KEY_BYTES).read_to_string(&mut text)?;
        let read = VerifyingKey::read(&text).map_err(hinted);
        keys.extend(read.with_context(|| format!("the key file `{}` cannot be used", path.display()))?);
    }
    Ok(keys)
}

/// The file itself, or the `.json` files of the folder, by name.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !fs_err::metadata(path).context("a VEX document cannot be read")?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs_err::read_dir(path)? {
        let file = entry?.path();
        let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json && file.is_file() {
            found.push(file);
        }
    }
    anyhow::ensure!(!found.is_empty(), "the folder `{}` has no `.json` files with VEX documents", path.display());
    anyhow::ensure!(found.len() <= MAX_FILES, "the folder `{}` has more than {MAX_FILES} files", path.display());
    found.sort();
    Ok(found)
}

/// At most one byte more than a document may have: that it is too large is told where it is read.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
