//! The facts of a case, completed to the documents that are evaluated.

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::inspection::RetrievedFile;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use serde_json::{Map, Value, json};

use super::places::{OF_ANALYSIS, OF_MATCHES, in_words, read};
use super::{CaseError, INSTANT, known, object};
use crate::evidence::{DockerfileMode, FeedGroup, JudgingSource, PackageFeed, PublishedPackage};

/// Digest of a case's image, of its layers, and its id.
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const ID: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
/// Most layers a case may say its image has.
const MAX_LAYERS: u64 = 1000;

/// The evidence of one case, owned.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) analysis: Analysis,
    pub(super) matches: Matches,
    pub(super) first_seen: Vec<Option<Timestamp>>,
    pub(super) dockerfile: Option<(String, DockerfileMode)>,
    pub(super) size: Option<u64>,
    pub(super) feeds: Vec<FeedGroup>,
    pub(super) sources: Vec<JudgingSource>,
    pub(super) unsupported: Vec<Unsupported>,
    pub(super) npm_feed: Option<PackageFeed>,
    pub(super) gem_feed: Option<PackageFeed>,
}

/// Members of `facts`.
const MEMBERS: &[&str] = &[
    "digest",
    "id",
    "architecture",
    "os",
    "size",
    "layers",
    "distribution",
    "config",
    "history",
    "packages",
    "files",
    "vulnerabilities",
    "vulnerability_problems",
    "secrets",
    "malware",
    "content_search",
    "retrieved_files",
    "dockerfile",
    "dockerfile_mode",
    "feeds",
    "sources",
    "end_of_life",
    "npm_feed",
    "gem_feed",
    "problems",
    "analysis",
];

impl Facts {
    /// The facts of a document that was written with `-o json`.
    pub(super) fn of_report(report: &Value) -> Result<Self, CaseError> {
        let wrong =
            |name: &str| CaseError::at("report", format!("it has no `{name}`"), "write it with `killick scan -o json`");
        let part = |name: &str| report.get(name).filter(|part| !part.is_null());
        let analysis: Analysis = read(part("analysis").ok_or_else(|| wrong("analysis"))?, "report.analysis")?;
        // Without them every image would seem to have no vulnerabilities.
        let matches: Matches = read(part("matches").ok_or_else(|| wrong("matches"))?, "report.matches")?;
        let unsupported = match part("unsupported") {
            Some(unsupported) => read(unsupported, "report.unsupported")?,
            None => Vec::new(),
        };
        let packages = analysis.packages.len();
        if matches.matches.iter().any(|found| found.package.0 as usize >= packages) {
            return Err(CaseError::at(
                "report.matches",
                "a match is about a package that is not there",
                "write it with `killick scan -o json`",
            ));
        }
        Ok(Self {
            size: Some(analysis.size_bytes()),
            analysis,
            matches,
            first_seen: Vec::new(),
            dockerfile: None,
            feeds: Vec::new(),
            sources: Vec::new(),
            unsupported,
            npm_feed: None,
            gem_feed: None,
        })
    }

    /// Completes what a case says.
    pub(super) fn parse(document: &Value) -> Result<Self, CaseError> {
        let none = Map::new();
        let given = if document.is_null() { &none } else { object(document, "facts")? };
        known(given, MEMBERS, "facts")?;
        let given = Given(given);
        let packages = given.packages()?;
        let (matches, first_seen) = given.matches(&packages)?;
        let mut analysis = json!({
            "manifest_digest": given.or("digest", DIGEST),
            "config_digest": given.or("id", ID),
            "config": {
                "architecture": given.or("architecture", "amd64"),
                "os": given.or("os", "linux"),
                "config": given.or("config", json!({})),
                "history": given.or("history", json!([])),
            },
            "layers": given.layers()?,
            "distribution": given.distribution()?,
            "packages": packages,
            "files": given.files()?,
            "inspection": given.inspection()?,
            "problems": given.or("problems", json!([])),
        });
        if let (Some(all), Some(more)) = (analysis.as_object_mut(), given.0.get("analysis")) {
            all.extend(object(more, "facts.analysis")?.clone());
        }
        let mut analysis: Analysis = read(&analysis, "facts").map_err(|error| in_words(error, OF_ANALYSIS))?;
        if let Some(kept) = given.0.get("retrieved_files") {
            let file = |(path, content): (&String, &Value)| match content.as_str() {
                Some(text) => {
                    Ok(RetrievedFile { path: path.as_str().into(), layer: 0, content: text.as_bytes().to_vec() })
                }
                None => Err(CaseError::no_text(format!("facts.retrieved_files.{path}"))),
            };
            let kept = object(kept, "facts.retrieved_files")?.iter().map(file).collect::<Result<_, _>>()?;
            analysis.inspection.retrieved_files = Some(kept);
        }
        let feed = |name: &str| given.0.get(name).map(|feed| package_feed(feed, name)).transpose();
        Ok(Self {
            matches: read(&matches, "facts").map_err(|error| in_words(error, OF_MATCHES))?,
            first_seen,
            dockerfile: given.dockerfile()?,
            size: Some(match given.0.get("size") {
                Some(size) => size
                    .as_u64()
                    .ok_or_else(|| CaseError::at("facts.size", "it is no number of bytes", "write a whole number"))?,
                None => analysis.size_bytes(),
            }),
            feeds: given.feeds()?,
            sources: given.sources()?,
            unsupported: given
                .list("end_of_life")?
                .iter()
                .enumerate()
                .map(|(at, ended)| read(&with(ended, json!({"support": "ended"})), &format!("facts.end_of_life.{at}")))
                .collect::<Result<_, _>>()?,
            npm_feed: feed("npm_feed")?,
            gem_feed: feed("gem_feed")?,
            analysis,
        })
    }
}

/// The members of `facts`.
struct Given<'v>(&'v Map<String, Value>);

impl<'v> Given<'v> {
    fn or(&self, name: &str, default: impl Into<Value>) -> Value {
        self.0.get(name).cloned().unwrap_or_else(|| default.into())
    }

    fn list(&self, name: &str) -> Result<&'v [Value], CaseError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(CaseError::at(format!("facts.{name}"), "it is no list", "write a list, `[]` for none")),
        }
    }

    fn layers(&self) -> Result<Value, CaseError> {
        if let Some(Value::Array(layers)) = self.0.get("layers") {
            return Ok(Value::Array(layers.clone()));
        }
        let count = match self.0.get("layers") {
            None => 1,
            Some(count) => count.as_u64().filter(|count| *count <= MAX_LAYERS).ok_or_else(|| {
                CaseError::at("facts.layers", "it is no number of layers", format!("write a number up to {MAX_LAYERS}"))
            })?,
        };
        let layer = json!({"diff_id": DIGEST, "digest": DIGEST, "media_type": "tar", "size": 1});
        Ok((0..count).map(|_| layer.clone()).collect())
    }

    /// `debian:12`, an object, or `none`.
    fn distribution(&self) -> Result<Value, CaseError> {
        let of = |id: &str, version: &str| json!({"id": id, "version": version, "codename": null, "like": [], "pretty_name": null});
        match self.0.get("distribution") {
            None => Ok(of("debian", "12")),
            Some(Value::String(text)) if text == "none" => Ok(Value::Null),
            Some(Value::String(text)) => match text.split_once(':') {
                Some((id, version)) => Ok(of(id, version)),
                None => Err(CaseError::at(
                    "facts.distribution",
                    "it has no version",
                    "write it like `debian:12`, or `none`",
                )),
            },
            Some(given) => {
                object(given, "facts.distribution")?;
                Ok(with(given, of("", "")))
            }
        }
    }

    fn packages(&self) -> Result<Vec<Value>, CaseError> {
        let mut packages = Vec::new();
        for (at, given) in self.list("packages")?.iter().enumerate() {
            let path = format!("facts.packages.{at}");
            object(given, &path)?;
            let mut given = given.clone();
            if let Some(members) = given.as_object_mut() {
                for (short, name) in [("type", "kind"), ("arch", "architecture"), ("path", "location")] {
                    if let Some(value) = members.remove(short) {
                        members.insert(name.to_owned(), value);
                    }
                }
                if let Some(Value::String(one)) = members.get("licenses") {
                    members.insert("licenses".to_owned(), json!([one]));
                }
            }
            let kind = given.get("kind").and_then(Value::as_str).unwrap_or("deb");
            let location = match kind {
                "deb" => "/var/lib/dpkg/status".to_owned(),
                "apk" => "/lib/apk/db/installed".to_owned(),
                "rpm" => "/var/lib/rpm/rpmdb.sqlite".to_owned(),
                _ => {
                    let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
                    format!("/app/{name}/{}", if kind == "npm" { "package.json" } else { name })
                }
            };
            packages.push(with(
                &given,
                json!({"kind": "deb", "version": "1", "location": location, "layer": 0, "cataloger": "case"}),
            ));
        }
        Ok(packages)
    }

    fn files(&self) -> Result<Vec<Value>, CaseError> {
        let mut files = Vec::new();
        for (at, given) in self.list("files")?.iter().enumerate() {
            let path = format!("facts.files.{at}");
            let mut given = match given {
                Value::String(file) => json!({"path": file}),
                given => Value::Object(object(given, &path)?.clone()),
            };
            if let Some(Value::String(mode)) = given.get("mode") {
                let mode = u32::from_str_radix(mode, 8);
                let no_mode =
                    || CaseError::at(format!("{path}.mode"), "it is no octal number", "write it like \"0644\"");
                let mode = mode.map_err(|_| no_mode())?;
                given["mode"] = mode.into();
            }
            if let Some(kind) = given.as_object_mut().and_then(|members| members.remove("type")) {
                given["kind"] = kind;
            }
            files.push(with(&given, json!({"kind": "file", "mode": 0o644, "uid": 0, "gid": 0, "size": 1, "layer": 0})));
        }
        Ok(files)
    }

    fn inspection(&self) -> Result<Value, CaseError> {
        let mut inspection = Map::new();
        if self.0.contains_key("secrets") {
            let findings = self.list("secrets")?.iter().map(|given| {
                with(
                    given,
                    json!({"layer": 0, "line": 1, "preview": "…", "fingerprint": "0", "about": "", "is_hidden": false}),
                )
            });
            inspection.insert("secrets".to_owned(), json!({"findings": findings.collect::<Vec<_>>(), "patterns": {}}));
        }
        if let Some(searched) = self.0.get("content_search") {
            let mut files = Vec::new();
            for (path, patterns) in object(searched, "facts.content_search")? {
                let patterns = patterns.as_array().into_iter().flatten().map(|pattern| match pattern {
                    Value::String(regex) => json!({"name": "", "regex": regex, "lines": [1]}),
                    given => with(given, json!({"name": "", "lines": [1]})),
                });
                files.push(json!({"path": path, "layer": 0, "matches": patterns.collect::<Vec<_>>()}));
            }
            inspection.insert("content_search".to_owned(), files.into());
        }
        if self.0.contains_key("malware") {
            let scans = self.list("malware")?.iter().map(|given| {
                let mut scan = with(given, json!({"scanner": "clamav", "is_complete": true, "findings": []}));
                let findings = scan["findings"].as_array().cloned().unwrap_or_default();
                scan["findings"] = findings.iter().map(|found| with(found, json!({"layer": 0}))).collect();
                scan
            });
            inspection.insert("malware".to_owned(), scans.collect());
        }
        Ok(Value::Object(inspection))
    }

    fn matches(&self, packages: &[Value]) -> Result<(Value, Vec<Option<Timestamp>>), CaseError> {
        let (mut matches, mut first_seen) = (Vec::new(), Vec::new());
        for (at, given) in self.list("vulnerabilities")?.iter().enumerate() {
            let path = format!("facts.vulnerabilities.{at}");
            let mut members = object(given, &path)?.clone();
            let seen = members.remove("first_seen").map(|seen| instant(&seen, &format!("{path}.first_seen")));
            first_seen.push(seen.transpose()?);
            matches.push(one_match(members, packages, &path)?);
        }
        let problems = self.or("vulnerability_problems", json!([]));
        Ok((json!({"matches": matches, "problems": problems}), first_seen))
    }

    fn dockerfile(&self) -> Result<Option<(String, DockerfileMode)>, CaseError> {
        let Some(text) = self.0.get("dockerfile") else { return Ok(None) };
        let text = text.as_str().ok_or_else(|| CaseError::no_text("facts.dockerfile"))?;
        let mode = match self.0.get("dockerfile_mode").and_then(Value::as_str) {
            None | Some("actual" | "Actual") => DockerfileMode::Actual,
            Some("guessed" | "Guessed") => DockerfileMode::Guessed,
            Some(other) => {
                let reason = format!("`{other}` is no word that may stand here");
                return Err(CaseError::at("facts.dockerfile_mode", reason, "write `actual` or `guessed`"));
            }
        };
        Ok(Some((text.to_owned(), mode)))
    }

    /// Who speaks of the packages of the image, and how new what they say is.
    fn sources(&self) -> Result<Vec<JudgingSource>, CaseError> {
        let mut sources = Vec::new();
        for (at, given) in self.list("sources")?.iter().enumerate() {
            let path = format!("facts.sources.{at}");
            known(object(given, &path)?, &["provider", "namespace", "newest_data"], &path)?;
            let text = |name: &str| {
                let text = given.get(name).and_then(Value::as_str).map(str::to_owned);
                text.ok_or_else(|| CaseError::at(&path, format!("it has no `{name}`"), format!("add `{name}`")))
            };
            sources.push(JudgingSource {
                provider: text("provider")?,
                namespace: text("namespace")?,
                newest_data: given
                    .get("newest_data")
                    .map(|newest| instant(newest, &format!("{path}.newest_data")))
                    .transpose()?,
            });
        }
        Ok(sources)
    }

    /// When each namespace was brought up to date.
    fn feeds(&self) -> Result<Vec<FeedGroup>, CaseError> {
        let Some(feeds) = self.0.get("feeds") else { return Ok(Vec::new()) };
        let feed = |(name, synced): (&String, &Value)| {
            let last_sync = match synced {
                Value::Null => None,
                synced => Some(instant(synced, &format!("facts.feeds.{name}"))?),
            };
            Ok(FeedGroup { namespace: name.clone(), records: 1, last_sync })
        };
        object(feeds, "facts.feeds")?.iter().map(feed).collect()
    }
}

/// One vulnerability of one package, in the words of cases.
fn one_match(mut given: Map<String, Value>, packages: &[Value], path: &str) -> Result<Value, CaseError> {
    known(
        &given,
        &[
            "id",
            "aliases",
            "package",
            "version",
            "severity",
            "cvss",
            "fixed_in",
            "fix",
            "fix_seen",
            "known_exploited",
            "epss",
            "risk",
            "malicious",
            "url",
            "namespace",
            "advisory",
            "published",
            "known_since",
        ],
        path,
    )?;
    let mut take = |name: &str| given.remove(name).filter(|value| !value.is_null());
    let id = take("id").ok_or_else(|| CaseError::at(path, "it has no `id`", "add `id`"))?;
    let name = take("package")
        .ok_or_else(|| CaseError::at(path, "it names no `package`", "add `package`: the name of one in `packages`"))?;
    let version = take("version");
    let is_it = |package: &&Value| {
        package.get("name") == Some(&name) && version.is_none() | (package.get("version") == version.as_ref())
    };
    let package = packages.iter().position(|package| is_it(&package)).ok_or_else(|| {
        let reason = format!("there is no package {name} in `packages`");
        CaseError::at(format!("{path}.package"), reason, "add it to `packages`, or name another")
    })?;
    let fix = match (take("fixed_in"), take("fix")) {
        (Some(Value::String(one)), None) => json!({"state": "fixed", "versions": [one]}),
        (Some(several), None) => json!({"state": "fixed", "versions": several}),
        (None, state) => json!({"state": state.unwrap_or_else(|| "unknown".into())}),
        (Some(_), Some(_)) => {
            return Err(CaseError::at(path, "it has both `fixed_in` and `fix`", "remove one of them"));
        }
    };
    let fix = match take("fix_seen") {
        Some(seen) => with(&fix, json!({"observed_at": seen})),
        None => fix,
    };
    let severity = take("severity").unwrap_or_else(|| "unknown".into());
    let kind = packages.get(package).and_then(|package| package.get("kind")).and_then(Value::as_str);
    let namespace = take("namespace").unwrap_or_else(|| match kind {
        Some("deb" | "apk" | "rpm") | None => "debian:12".into(),
        Some(kind) => kind.into(),
    });
    let mut evidence = json!({
        "provider": "case", "namespace": namespace, "advisory": take("advisory").unwrap_or_else(|| id.clone()),
        "matched_name": name, "compared_version": "", "scheme": "", "affected": "*", "confidence": "exact",
        "severity": severity,
    });
    for date in ["published", "known_since"] {
        if let Some(value) = take(date) {
            evidence[date] = value;
        }
    }
    let ratings = match take("cvss") {
        None => Vec::new(),
        Some(Value::Array(ratings)) => ratings,
        Some(Value::Number(base)) => vec![json!({"base": base})],
        Some(_) => {
            let path = format!("{path}.cvss");
            return Err(CaseError::at(path, "it is no score", "write a number, or a list of ratings"));
        }
    };
    let rating = json!({"source": "nvd", "version": "3.1", "vector": "", "exploitability": null, "impact": null});
    let cvss: Vec<Value> = ratings.iter().map(|given| with(given, rating.clone())).collect();
    let mut found = json!({
        "package": package, "vulnerability": id, "severity": severity, "fix": fix, "cvss": cvss,
        "evidence": [evidence],
    });
    for name in ["aliases", "known_exploited", "epss", "risk", "malicious", "url"] {
        if let Some(value) = take(name) {
            found[name] = value;
        }
    }
    Ok(found)
}

fn instant(value: &Value, path: &str) -> Result<Timestamp, CaseError> {
    let instant = value.as_str().and_then(|text| text.parse().ok());
    instant.ok_or_else(|| CaseError::at(path, "it is no instant", INSTANT))
}

/// Latest version and all versions, by name.
fn package_feed(feed: &Value, name: &str) -> Result<PackageFeed, CaseError> {
    let path = format!("facts.{name}");
    let mut packages = std::collections::BTreeMap::new();
    for (package, published) in object(feed, &path)? {
        let path = format!("{path}.{package}");
        let part = |part: &str| {
            let missing = || CaseError::at(&path, format!("it has no `{part}`"), format!("add `{part}`"));
            published.get(part).ok_or_else(missing)
        };
        let published =
            PublishedPackage { latest: read(part("latest")?, &path)?, versions: read(part("versions")?, &path)? };
        packages.insert(package.clone(), published);
    }
    Ok(PackageFeed { packages })
}

/// `value` with the missing members filled in.
fn with(value: &Value, mut defaults: Value) -> Value {
    if let (Some(all), Some(given)) = (defaults.as_object_mut(), value.as_object()) {
        all.extend(given.clone());
    }
    defaults
}
