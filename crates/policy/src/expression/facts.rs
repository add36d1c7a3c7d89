//! What expressions see: variables, and the fields of what they stand for. The table in `docs/policy.md` is this one.

use std::borrow::Cow;
use std::rc::Rc;

use killick_model::file::FileKind;
use killick_model::image::created_at;
use killick_model::matching::FixState;
use killick_model::purl::purl;

use crate::evidence::Evidence;
use crate::v1;

use super::types::{Field, RecordType, Type};
use super::value::{List, Record, Value};

/// Most labels and variables of the environment that are seen.
const MAX_SETTINGS: usize = 1000;

/// What an expression is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The image alone.
    Image,
    /// One of its packages.
    Package,
    /// One of its vulnerabilities.
    Vulnerability,
    /// One of its files.
    File,
}

impl Scope {
    /// The name of its variable; `package` is a reserved word of CEL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Package => "pkg",
            Self::Vulnerability => "vulnerability",
            Self::File => "file",
        }
    }

    /// What its variable is.
    pub(crate) const fn record(self) -> &'static RecordType {
        match self {
            Self::Image => &IMAGE,
            Self::Package => &PACKAGE,
            Self::Vulnerability => &VULNERABILITY,
            Self::File => &FILE,
        }
    }

    /// Names and types of what expressions about it see; the evaluator has their values in the same order.
    pub(super) fn variables(self) -> Vec<(&'static str, Type)> {
        let mut variables = vec![("image", Type::Record(&IMAGE)), ("now", Type::Time)];
        if self != Self::Image {
            variables.push((self.name(), Type::Record(self.record())));
        }
        variables
    }
}

macro_rules! field {
    ($name:literal, $kind:expr, $about:literal, $get:expr) => {
        Field { name: $name, kind: $kind, about: $about, get: $get }
    };
}

fn text(text: &str) -> Option<Value<'_>> {
    (!text.is_empty()).then_some(Value::Text(Cow::Borrowed(text)))
}

fn owned<'a>(text: String) -> Option<Value<'a>> {
    (!text.is_empty()).then_some(Value::Text(Cow::Owned(text)))
}

#[expect(clippy::unnecessary_wraps, reason = "every field may be absent, these are not")]
fn flag<'a>(flag: bool) -> Option<Value<'a>> {
    Some(Value::Bool(flag))
}

#[expect(clippy::unnecessary_wraps, reason = "every field may be absent, these are not")]
fn number<'a>(number: impl TryInto<i64>) -> Option<Value<'a>> {
    Some(Value::Int(number.try_into().unwrap_or(i64::MAX)))
}

#[expect(clippy::unnecessary_wraps, reason = "every field may be absent, these are not")]
fn listed(list: List<'_>) -> Option<Value<'_>> {
    Some(Value::List(list))
}

fn setting<'a>(evidence: &'a Evidence<'a>, key: &str) -> Option<&'a serde_json::Value> {
    evidence.analysis.config.config.get(key)
}

fn labels<'a>(evidence: &'a Evidence<'a>) -> Option<Value<'a>> {
    let labels = setting(evidence, "Labels")?.as_object()?;
    let text = |(key, value): (&'a String, &'a serde_json::Value)| Some((key.into(), value.as_str()?.into()));
    Some(Value::Map(Rc::new(labels.iter().filter_map(text).take(MAX_SETTINGS).collect())))
}

fn environment<'a>(evidence: &'a Evidence<'a>) -> Option<Value<'a>> {
    let variables = setting(evidence, "Env")?.as_array()?.iter().filter_map(|entry| entry.as_str()?.split_once('='));
    Some(Value::Map(Rc::new(variables.map(|(key, value)| (key.into(), value.into())).take(MAX_SETTINGS).collect())))
}

fn words<'a>(evidence: &'a Evidence<'a>, key: &str) -> Option<Value<'a>> {
    let words = setting(evidence, key)?.as_array()?;
    Some(Value::texts(words.iter().filter_map(serde_json::Value::as_str).take(MAX_SETTINGS)))
}

fn keys<'a>(evidence: &'a Evidence<'a>, key: &str) -> Option<Value<'a>> {
    let object = setting(evidence, key)?.as_object()?;
    Some(Value::texts(object.keys().map(String::as_str).take(MAX_SETTINGS)))
}

pub(super) static IMAGE_TYPE: Type = Type::Record(&IMAGE);
pub(super) static PACKAGE_TYPE: Type = Type::Record(&PACKAGE);
pub(super) static VULNERABILITY_TYPE: Type = Type::Record(&VULNERABILITY);
pub(super) static FILE_TYPE: Type = Type::Record(&FILE);
pub(super) static LAYER_TYPE: Type = Type::Record(&LAYER);

/// The image.
pub(crate) static IMAGE: RecordType = RecordType {
    name: "image",
    itself: &IMAGE_TYPE,
    fields: &[
        field!("digest", Type::Text, "digest of its manifest", |e, _| owned(e.analysis.manifest_digest.to_string())),
        field!("id", Type::Text, "digest of its configuration, without `sha256:`", |e, _| owned(
            e.analysis.config_digest.hex()
        )),
        field!("size", Type::Int, "bytes", |e, _| number(e.image_size_bytes?)),
        field!("created", Type::Time, "when it was built, as it says", |e, _| created_at(&e.analysis.config)
            .map(Value::Time)),
        field!("architecture", Type::Text, "such as `amd64`", |e, _| text(&e.analysis.config.architecture)),
        field!("os", Type::Text, "such as `linux`", |e, _| text(&e.analysis.config.os)),
        field!("distribution", Type::Text, "such as `debian`", |e, _| text(&e.analysis.distribution.as_ref()?.id)),
        field!("distribution_version", Type::Text, "such as `12`", |e, _| text(
            e.analysis.distribution.as_ref()?.version.as_deref()?
        )),
        field!("user", Type::Text, "the user its programs run as; empty for root", |e, _| text(
            setting(e, "User")?.as_str()?
        )),
        field!("working_dir", Type::Text, "the folder they start in", |e, _| text(setting(e, "WorkingDir")?.as_str()?)),
        field!("stop_signal", Type::Text, "the signal that ends them", |e, _| text(
            setting(e, "StopSignal")?.as_str()?
        )),
        field!("entrypoint", Type::List(&Type::Text), "`ENTRYPOINT`", |e, _| words(e, "Entrypoint")),
        field!("cmd", Type::List(&Type::Text), "`CMD`", |e, _| words(e, "Cmd")),
        field!("exposed_ports", Type::List(&Type::Text), "such as `8080/tcp`", |e, _| keys(e, "ExposedPorts")),
        field!("volumes", Type::List(&Type::Text), "`VOLUME`", |e, _| keys(e, "Volumes")),
        field!("labels", Type::Map, "`LABEL`", |e, _| labels(e)),
        field!("env", Type::Map, "`ENV`", |e, _| environment(e)),
        field!("has_dockerfile", Type::Bool, "whether a Dockerfile was supplied", |e, _| flag(e.dockerfile.is_some())),
        field!("problems", Type::Int, "what could not be read of it, a number", |e, _| number(
            e.analysis.problems.len()
        )),
        field!("layers", Type::List(&LAYER_TYPE), "lowest first", |_, _| listed(List::Layers)),
        field!(
            "packages",
            Type::List(&PACKAGE_TYPE),
            "all of them, those that are only declared or claimed too",
            |_, _| listed(List::Packages)
        ),
        field!("vulnerabilities", Type::List(&VULNERABILITY_TYPE), "one for each package that has it", |_, _| listed(
            List::Vulnerabilities
        )),
        field!("files", Type::List(&FILE_TYPE), "files, folders and links", |_, _| listed(List::Files)),
    ],
};

/// A layer.
pub(crate) static LAYER: RecordType = RecordType {
    name: "layer",
    itself: &LAYER_TYPE,
    fields: &[
        field!("digest", Type::Text, "digest of its blob", |_, r| owned(r.layer()?.digest.to_string())),
        field!("diff_id", Type::Text, "digest of its content", |_, r| owned(r.layer()?.diff_id.to_string())),
        field!("size", Type::Int, "bytes of its blob", |_, r| number(r.layer()?.size)),
        field!("created_by", Type::Text, "the build step that made it", |_, r| text(r.layer()?.created_by.as_deref()?)),
    ],
};

/// A package.
pub(crate) static PACKAGE: RecordType = RecordType {
    name: "pkg",
    itself: &PACKAGE_TYPE,
    fields: &[
        field!("name", Type::Text, "name", |_, r| text(&r.package()?.name)),
        field!("version", Type::Text, "complete version", |_, r| text(&r.package()?.version)),
        field!("kind", Type::Text, "Killick's name of the kind: `deb`, `rpm`, `npm`, `python`, …", |_, r| text(
            r.package()?.kind.name()
        )),
        field!("is_os", Type::Bool, "whether it is one of a distribution's packages", |_, r| flag(
            r.package()?.kind.is_os()
        )),
        field!("architecture", Type::Text, "as the packaging system names it", |_, r| text(
            r.package()?.architecture.as_deref()?
        )),
        field!("source", Type::Text, "its source package, or its own name", |_, r| text(r.package()?.source_name())),
        field!("licenses", Type::List(&Type::Text), "as declared", |_, r| Some(Value::texts(
            r.package()?.licenses.iter().map(String::as_str)
        ))),
        field!("supplier", Type::Text, "maintainer, vendor or author, as declared", |_, r| text(
            r.package()?.origin.as_deref()?
        )),
        field!("size", Type::Int, "bytes installed, as declared", |_, r| number(r.package()?.size_bytes?)),
        field!("location", Type::Text, "the file that says it is there", |e, r| e
            .analysis
            .place_of(r.package()?)
            .and_then(|_| owned(r.package()?.location.to_string()))),
        field!("path", Type::Text, "where the v1 API says it is", |_, r| owned(v1::package_path(r.package()?))),
        field!("purl", Type::Text, "package URL", |e, r| owned(purl(r.package()?, e.analysis.distribution.as_ref()))),
        // No layer has this number: absent, it would be 0, which is the lowest.
        field!(
            "layer",
            Type::Int,
            "number of the layer that brought it; 0 is the lowest, -1 if an SBOM does not tell",
            |e, r| number(e.analysis.layer_of(r.package()?).map_or(-1, i64::from))
        ),
        field!("evidence", Type::Text, "`installed`, `copied`, `claimed` or `declared`", |_, r| text(
            r.package()?.evidence.name()
        )),
        field!("is_development", Type::Bool, "whether it is declared for development only", |_, r| flag(
            r.package()?.is_development
        )),
        field!("fetched_from", Type::Text, "where it comes from, if not from a registry", |_, r| text(
            r.package()?.fetched_from.as_deref()?
        )),
        field!("cataloger", Type::Text, "who found it", |_, r| text(&r.package()?.cataloger)),
    ],
};

/// A vulnerability of a package.
pub(crate) static VULNERABILITY: RecordType = RecordType {
    name: "vulnerability",
    itself: &VULNERABILITY_TYPE,
    fields: &[
        field!("id", Type::Text, "the CVE if there is one", |_, r| text(&r.vulnerability()?.vulnerability)),
        field!("aliases", Type::List(&Type::Text), "its other names", |_, r| Some(Value::texts(
            r.vulnerability()?.aliases.iter().map(String::as_str)
        ))),
        field!("severity", Type::Text, "`Unknown`, `Negligible`, `Low`, `Medium`, `High` or `Critical`", |_, r| text(
            r.vulnerability()?.severity.title()
        )),
        field!("severity_rank", Type::Int, "the same as a number, 0 to 5", |_, r| number(
            r.vulnerability()?.severity as u8
        )),
        field!("cvss", Type::Double, "highest CVSS base score of any source", |_, r| {
            r.vulnerability()?.cvss.iter().map(|rating| rating.base).reduce(f64::max).map(Value::Double)
        }),
        field!("epss", Type::Double, "probability of exploitation within 30 days", |_, r| r
            .vulnerability()?
            .epss
            .map(Value::Double)),
        field!("risk", Type::Double, "0 to 100", |_, r| Some(Value::Double(r.vulnerability()?.risk))),
        field!("known_exploited", Type::Bool, "whether CISA lists it", |_, r| flag(r.vulnerability()?.known_exploited)),
        field!("malicious", Type::Bool, "whether it says that the package does harm on purpose", |_, r| flag(
            r.vulnerability()?.malicious
        )),
        field!("fix_state", Type::Text, "`unknown`, `fixed`, `not-fixed`, `deferred` or `wont-fix`", |_, r| text(
            match r.vulnerability()?.fix.state {
                FixState::Unknown => "unknown",
                FixState::Fixed => "fixed",
                FixState::NotFixed => "not-fixed",
                FixState::Deferred => "deferred",
                FixState::WontFix => "wont-fix",
            }
        )),
        field!("fixed_in", Type::List(&Type::Text), "versions that fix it", |_, r| Some(Value::texts(
            r.vulnerability()?.fix.versions.iter().map(String::as_str)
        ))),
        field!("fix_known_since", Type::Time, "when the fix was first seen", |_, r| r
            .vulnerability()?
            .fix
            .observed_at
            .map(Value::Time)),
        field!("first_seen", Type::Time, "when it was first seen on this image, if the server knows", |e, r| {
            let found = r.vulnerability()?;
            // By its place in memory: looking for it would cost as many steps as there are.
            let offset = std::ptr::from_ref(found).addr().checked_sub(e.matches.matches.as_ptr().addr())?;
            let at = offset.checked_div(size_of_val(found))?;
            e.first_seen.get(at).copied().flatten().map(Value::Time)
        }),
        field!("provider", Type::Text, "whose statement decided", |_, r| text(
            &r.vulnerability()?.evidence.first()?.provider
        )),
        field!("namespace", Type::Text, "of which namespace", |_, r| text(v1::feed_group(r.vulnerability()?))),
        field!(
            "vex_status",
            Type::Text,
            "what the first trusted VEX document says: `affected`, `under_investigation`",
            |_, r| { text(r.vulnerability()?.claims.iter().find(|claim| claim.trusted)?.status.name()) }
        ),
        field!("url", Type::Text, "where to read about it", |_, r| text(r.vulnerability()?.url.as_deref()?)),
        field!("package", Type::Record(&PACKAGE), "the package that has it", |e, r| {
            e.analysis
                .packages
                .get(r.vulnerability()?.package.0 as usize)
                .map(|package| Value::Record(Record::Package(package)))
        }),
    ],
};

/// A file.
pub(crate) static FILE: RecordType = RecordType {
    name: "file",
    itself: &FILE_TYPE,
    fields: &[
        field!("path", Type::Text, "with the leading `/`", |_, r| owned(r.file()?.path.to_string())),
        field!("name", Type::Text, "its last part", |_, r| owned(
            r.file()?.path.to_string().rsplit('/').next().unwrap_or_default().to_owned()
        )),
        field!(
            "type",
            Type::Text,
            "`file`, `directory`, `symlink`, `character-device`, `block-device` or `fifo`",
            |_, r| text(match r.file()?.kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Symlink => "symlink",
                FileKind::CharacterDevice => "character-device",
                FileKind::BlockDevice => "block-device",
                FileKind::Fifo => "fifo",
            })
        ),
        field!("mode", Type::Int, "permission bits; `0o644` is 420", |_, r| number(r.file()?.mode)),
        field!("is_executable", Type::Bool, "whether somebody may execute it", |_, r| flag(
            r.file()?.kind == FileKind::File && r.file()?.mode & 0o111 != 0
        )),
        field!("is_world_writable", Type::Bool, "whether anybody may write to it", |_, r| flag(
            r.file()?.kind != FileKind::Symlink && r.file()?.mode & 0o002 != 0
        )),
        field!("is_setuid", Type::Bool, "whether it has the setuid or setgid bit", |_, r| flag(
            r.file()?.kind == FileKind::File && r.file()?.mode & 0o6000 != 0
        )),
        field!("uid", Type::Int, "number of its owner", |_, r| number(r.file()?.uid)),
        field!("gid", Type::Int, "number of its group", |_, r| number(r.file()?.gid)),
        field!("size", Type::Int, "bytes", |_, r| number(r.file()?.size)),
        field!("sha256", Type::Text, "digest of its content", |_, r| owned(hex::encode(r.file()?.sha256.as_ref()?))),
        field!("link_target", Type::Text, "what a symbolic link points to", |_, r| owned(
            String::from_utf8_lossy(r.file()?.link_target.as_deref()?).into_owned()
        )),
        field!("layer", Type::Int, "number of the layer that brought it; 0 is the lowest", |_, r| number(
            r.file()?.layer
        )),
    ],
};
