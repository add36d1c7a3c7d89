//! Questions about one image: what each finds is a list, for people as columns, for programs as JSON or CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use globset::GlobMatcher;
use killick_model::analysis::Analysis;
use killick_model::dockerfile;
use killick_model::file::{FileEntry, FileKind};
use killick_model::package::{Package, PackageEvidence, PackageId, PackageKind};
use killick_model::purl::purl;
use killick_model::tree;
use serde_json::{Map, Value, json};

use crate::formats::Style;
use crate::formats::csv;
use crate::formats::table::layout::{plain, table};

/// What is asked about an image.
#[derive(Debug, Clone)]
pub enum Question {
    /// What it is, in a few facts.
    Summary,
    /// Its packages.
    Packages(WantedPackages),
    /// Its files.
    Files(WantedFiles),
    /// What licences packages declare, each with its packages.
    Licenses,
    /// Its layers, the lowest first, and what each brought that is still there.
    Layers,
    /// The steps that built it, the first one first.
    History,
}

/// Which packages.
#[derive(Debug, Clone, Default)]
pub struct WantedPackages {
    /// Of these kinds; all if there is none.
    pub kinds: Vec<PackageKind>,
    /// Whose name matches.
    pub name: Option<GlobMatcher>,
    /// Of this version.
    pub version: Option<String>,
    /// That came with this layer; the lowest is 0.
    pub layer: Option<u32>,
    /// Also those that lock files and documents speak of, without being there.
    pub with_declared: bool,
}

/// Which files.
#[derive(Debug, Clone, Default)]
pub struct WantedFiles {
    /// Whose path, with the leading `/`, matches.
    pub path: Option<GlobMatcher>,
    /// That came with this layer; the lowest is 0.
    pub layer: Option<u32>,
    /// That no package owns.
    pub is_unpackaged: bool,
    /// With the setuid or setgid bit.
    pub is_setuid: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    columns: &'static [Column],
    rows: Vec<Vec<Value>>,
}

/// A column of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Column {
    /// The key in JSON, and in capitals the title.
    name: &'static str,
    /// In JSON and CSV only: too long for a terminal.
    is_detail: bool,
}

const fn column(name: &'static str) -> Column {
    Column { name, is_detail: false }
}

const fn detail(name: &'static str) -> Column {
    Column { name, is_detail: true }
}

/// Columns of what is one thing, told fact by fact.
const FACTS: &[Column] = &[column("fact"), column("value")];

/// Answers a question about an image.
pub fn answer(analysis: &Analysis, question: &Question) -> Answer {
    match question {
        Question::Summary => summary(analysis),
        Question::Packages(wanted) => packages(analysis, wanted),
        Question::Files(wanted) => files(analysis, wanted),
        Question::Licenses => licenses(analysis),
        Question::Layers => layers(analysis),
        Question::History => history(analysis),
    }
}

/// The Dockerfile that the history of the image suggests, to be built again: `RUN` without the shell that the builder put
/// before it, as it would be put there once more.
pub fn dockerfile(analysis: &Analysis) -> String {
    const USUAL: &str = "/bin/sh -c";
    let mut shell = USUAL.to_owned();
    let mut text = String::new();
    for line in dockerfile::infer(&analysis.config) {
        let line = line.trim_end();
        if let Some(words) = line.strip_prefix("SHELL ") {
            shell = serde_json::from_str::<Vec<String>>(words).map_or(shell, |words| words.join(" "));
        }
        let bare = line.strip_prefix("RUN ").and_then(|command| {
            [shell.as_str(), USUAL].into_iter().find_map(|shell| command.strip_prefix(shell)?.strip_prefix(' '))
        });
        match bare {
            Some(command) => text.extend(["RUN ", command.trim_start()]),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

impl Answer {
    /// Whether nothing was found.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Columns for people.
    pub fn text(&self, style: Style) -> String {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|&at| self.columns.get(at).is_some_and(|column| !column.is_detail))
            .filter(|&at| self.rows.iter().any(|row| row.get(at).is_some_and(|cell| !written(cell).is_empty())))
            .collect();
        if shown.is_empty() {
            return "nothing found\n".to_owned();
        }
        let titles: Vec<String> =
            shown.iter().filter_map(|&at| Some(self.columns.get(at)?.name.replace('_', " ").to_uppercase())).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let cell = |row: &Vec<Value>, at: usize| row.get(at).map(|cell| plain(&written(cell))).unwrap_or_default();
        let rows = self.rows.iter().map(|row| shown.iter().map(|&at| cell(row, at)).collect()).collect();
        table(&titles, &["NAME", "VERSION", "PATH", "MODE"], rows, style)
    }

    /// A list of objects; of what is one thing, an object.
    pub fn json(&self) -> Value {
        if self.columns == FACTS {
            let fact = |row: &Vec<Value>| Some((written(row.first()?).replace(' ', "_"), row.get(1)?.clone()));
            return Value::Object(self.rows.iter().filter_map(fact).collect());
        }
        let object = |row: &Vec<Value>| {
            let members = self.columns.iter().zip(row).filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(column, value)| (column.name.to_owned(), value.clone())).collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }

    /// Comma-separated values (RFC 4180) with a header.
    pub fn csv(&self, out: &mut dyn Write) -> io::Result<()> {
        csv::row(out, &self.columns.iter().map(|column| column.name).collect::<Vec<_>>())?;
        self.rows.iter().try_for_each(|row| {
            let cells: Vec<String> = row.iter().map(written).collect();
            csv::row(out, &cells.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }
}

/// A value in one cell.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(written).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn summary(analysis: &Analysis) -> Answer {
    let count = |value: usize| json!(value);
    let distribution = analysis
        .distribution
        .as_ref()
        .map(|found| format!("{} {}", found.id, found.version.as_deref().unwrap_or_default()).trim_end().to_owned());
    let there = analysis.packages.iter().filter(|package| package.evidence.is_there()).count();
    let of_kind = |kind: FileKind| analysis.files.iter().filter(|file| file.kind == kind).count();
    let mut facts = vec![
        ("digest", json!(analysis.manifest_digest)),
        ("index", json!(analysis.index_digest)),
        ("id", json!(analysis.config_digest.hex())),
        ("platform", json!(platform(analysis))),
        ("created", json!(analysis.config.created)),
        ("distribution", json!(distribution)),
        ("layers", count(analysis.layers.len())),
        ("stored bytes", json!(analysis.layers.iter().map(|layer| layer.size).sum::<u64>())),
        ("bytes", json!(analysis.size_bytes())),
        ("packages", count(there)),
        ("files", count(of_kind(FileKind::File))),
        ("directories", count(of_kind(FileKind::Directory))),
        ("links", count(of_kind(FileKind::Symlink))),
        ("files of packages", count(owners(analysis).len())),
        ("problems", count(analysis.problems.len())),
    ];
    facts.retain(|(_, value)| !value.is_null());
    Answer { columns: FACTS, rows: facts.into_iter().map(|(fact, value)| vec![json!(fact), value]).collect() }
}

fn platform(analysis: &Analysis) -> Option<String> {
    let config = &analysis.config;
    let parts = [Some(config.os.as_str()), Some(config.architecture.as_str()), config.variant.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn packages(analysis: &Analysis, wanted: &WantedPackages) -> Answer {
    const COLUMNS: &[Column] = &[
        column("name"),
        column("version"),
        column("type"),
        column("architecture"),
        column("layer"),
        column("evidence"),
        detail("source"),
        detail("licenses"),
        detail("origin"),
        detail("size_bytes"),
        column("location"),
        detail("owner"),
        detail("purl"),
    ];
    let is_wanted = |package: &&Package| {
        (wanted.with_declared || package.evidence.is_there())
            && (wanted.kinds.is_empty() || wanted.kinds.contains(&package.kind))
            && wanted.name.as_ref().is_none_or(|name| name.is_match(&package.name))
            && wanted.version.as_ref().is_none_or(|version| *version == package.version)
            && wanted.layer.is_none_or(|layer| analysis.layer_of(package) == Some(layer))
    };
    let row = |package: &Package| {
        let evidence = (package.evidence != PackageEvidence::Installed).then(|| package.evidence.name());
        let owner = package.owner.map(|owner| analysis.package(owner).name.as_str());
        vec![
            json!(package.name),
            json!(package.version),
            json!(package.kind.name()),
            json!(package.architecture),
            json!(analysis.layer_of(package)),
            json!(evidence),
            json!(package.source.as_ref().map(|source| &source.name)),
            if package.licenses.is_empty() { Value::Null } else { json!(package.licenses) },
            json!(package.origin),
            json!(package.size_bytes),
            json!(analysis.place_of(package)),
            json!(owner),
            json!(purl(package, analysis.distribution.as_ref())),
        ]
    };
    Answer { columns: COLUMNS, rows: analysis.packages.iter().filter(is_wanted).map(row).collect() }
}

fn files(analysis: &Analysis, wanted: &WantedFiles) -> Answer {
    const COLUMNS: &[Column] = &[
        column("mode"),
        column("uid"),
        column("gid"),
        column("size"),
        column("layer"),
        column("path"),
        column("target"),
        column("package"),
        detail("kind"),
        detail("sha256"),
    ];
    let owners = owners(analysis);
    let row = |file: &FileEntry| {
        let path = file.path.to_string();
        let owner = owners.get(file.path.as_bytes()).copied();
        let is_wanted = wanted.path.as_ref().is_none_or(|pattern| pattern.is_match(&path))
            && wanted.layer.is_none_or(|layer| layer == file.layer)
            && (!wanted.is_unpackaged || owner.is_none() && file.kind != FileKind::Directory)
            && (!wanted.is_setuid || file.kind == FileKind::File && file.mode & 0o6000 != 0);
        is_wanted.then(|| {
            vec![
                json!(format!("{:04o}", file.mode)),
                json!(file.uid),
                json!(file.gid),
                json!(file.size),
                json!(file.layer),
                json!(path),
                json!(file.link_target.as_deref().map(String::from_utf8_lossy)),
                json!(owner.map(|owner| &analysis.package(owner).name)),
                json!(file.kind),
                json!(file.sha256.map(hex::encode)),
            ]
        })
    };
    Answer { columns: COLUMNS, rows: analysis.files.iter().filter_map(row).collect() }
}

/// Files that a package owns, by their paths: where they are, as databases may name a path that a link leads elsewhere.
fn owners(analysis: &Analysis) -> BTreeMap<&[u8], PackageId> {
    let mut owners = BTreeMap::new();
    for (id, package) in (0..).map(PackageId).zip(&analysis.packages) {
        for owned in &package.files {
            if let Some(file) = tree::at_place(&analysis.files, owned.path.as_bytes()) {
                owners.entry(file.path.as_bytes()).or_insert(id);
            }
        }
    }
    owners
}

fn licenses(analysis: &Analysis) -> Answer {
    const COLUMNS: &[Column] = &[column("license"), column("count"), column("packages")];
    let mut carriers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in analysis.packages.iter().filter(|package| package.evidence.is_there()) {
        let declared = package.licenses.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let mut declared = declared.peekable();
        if declared.peek().is_none() {
            carriers.entry("").or_default().insert(&package.name);
        }
        for license in declared {
            carriers.entry(license).or_default().insert(&package.name);
        }
    }
    let row = |(license, names): (&str, BTreeSet<&str>)| {
        let license = if license.is_empty() { "none declared" } else { license };
        vec![json!(license), json!(names.len()), json!(names)]
    };
    Answer { columns: COLUMNS, rows: carriers.into_iter().map(row).collect() }
}

fn layers(analysis: &Analysis) -> Answer {
    const COLUMNS: &[Column] = &[
        column("layer"),
        column("size"),
        column("packages"),
        column("files"),
        column("step"),
        detail("digest"),
        detail("diff_id"),
        detail("media_type"),
    ];
    let count = |numbers: &mut dyn Iterator<Item = u32>| {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        numbers.for_each(|number| *counts.entry(number).or_default() += 1);
        counts
    };
    let there = analysis.packages.iter().filter(|package| package.evidence.is_there());
    let packages = count(&mut there.map(|package| package.layer));
    let is_file = |file: &&FileEntry| file.kind != FileKind::Directory;
    let files = count(&mut analysis.files.iter().filter(is_file).map(|file| file.layer));
    let rows = (0..).zip(&analysis.layers).map(|(number, layer)| {
        vec![
            json!(number),
            json!(layer.size),
            json!(packages.get(&number).copied().unwrap_or_default()),
            json!(files.get(&number).copied().unwrap_or_default()),
            json!(layer.created_by),
            json!(layer.digest),
            json!(layer.diff_id),
            json!(layer.media_type),
        ]
    });
    Answer { columns: COLUMNS, rows: rows.collect() }
}

fn history(analysis: &Analysis) -> Answer {
    const COLUMNS: &[Column] =
        &[column("created"), column("layer"), column("size"), column("step"), detail("author"), detail("comment")];
    let history = &analysis.config.history;
    let making = history.iter().filter(|step| !step.empty_layer).count();
    // A history that does not line up with the layers says nothing of which is which.
    let lines_up = making == analysis.layers.len();
    let mut layers = (0..).zip(&analysis.layers);
    let row = |step: &killick_model::image::History| {
        let layer = if step.empty_layer || !lines_up { None } else { layers.next() };
        vec![
            json!(step.created),
            json!(layer.map(|(number, _): (u32, _)| number)),
            json!(layer.map(|(_, layer)| layer.size)),
            json!(step.created_by),
            json!(step.author),
            json!(step.comment),
        ]
    };
    Answer { columns: COLUMNS, rows: history.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use globset::Glob;

    use super::*;

    fn image() -> Analysis {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let file = |path: &str, mode: u32, layer: u32| json!({"path": path, "kind": "file", "mode": mode, "uid": 0, "gid": 0, "size": 3, "sha256": "c".repeat(64), "layer": layer});
        serde_json::from_value(json!({
            "manifest_digest": digest("a"), "config_digest": digest("b"),
            "config": {"os": "linux", "architecture": "amd64", "created": "2026-01-02T03:04:05Z", "history": [
                {"created": "2026-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
                {"created": "2026-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop)  CMD [\"bash\"]", "empty_layer": true},
                {"created": "2026-01-02T00:00:00Z", "created_by": "RUN make # buildkit"},
            ]},
            "layers": [
                {"diff_id": digest("1"), "digest": digest("2"), "media_type": "tar", "size": 1000, "created_by": "ADD file:1 in /"},
                {"diff_id": digest("3"), "digest": digest("4"), "media_type": "tar", "size": 20, "created_by": "RUN make"},
            ],
            "distribution": {"id": "debian", "version": "12", "like": []},
            "packages": [
                {"kind": "deb", "name": "bash", "version": "5.2", "architecture": "amd64", "location": "var/lib/dpkg/status",
                 "layer": 0, "cataloger": "dpkg", "licenses": ["GPL-3"], "files": [{"path": "bin/bash"}]},
                {"kind": "npm", "name": "lodash", "version": "4.17.20", "location": "app/node_modules/lodash/package.json",
                 "layer": 1, "cataloger": "npm", "licenses": ["MIT"]},
                {"kind": "npm", "name": "left-pad", "version": "1.3.0", "location": "app/package-lock.json", "layer": 1,
                 "cataloger": "package-lock", "evidence": "declared"},
            ],
            "files": [
                {"path": "bin", "kind": "symlink", "mode": 0o777, "uid": 0, "gid": 0, "size": 0, "link_target": "usr/bin", "layer": 0},
                {"path": "usr", "kind": "directory", "mode": 0o755, "uid": 0, "gid": 0, "size": 0, "layer": 0},
                {"path": "usr/bin", "kind": "directory", "mode": 0o755, "uid": 0, "gid": 0, "size": 0, "layer": 0},
                file("usr/bin/bash", 0o755, 0),
                file("usr/bin/sudo\u{1b}[31m", 0o4755, 1),
            ],
        }))
        .unwrap()
    }

    fn text(question: &Question) -> String {
        answer(&image(), question).text(Style::default())
    }

    #[test]
    fn each_question_has_its_columns() {
        let all = [Question::Summary, Question::Licenses, Question::Layers, Question::History]
            .map(|question| format!("{question:?}\n{}", text(&question)));
        let lists = [
            text(&Question::Packages(WantedPackages::default())),
            text(&Question::Packages(WantedPackages { with_declared: true, ..WantedPackages::default() })),
            text(&Question::Files(WantedFiles::default())),
        ];
        insta::assert_snapshot!([all.as_slice(), lists.as_slice()].concat().join("\n"));
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        let glob = |pattern: &str| Some(Glob::new(pattern).unwrap().compile_matcher());
        let names = |wanted: WantedPackages| {
            let found = answer(&image(), &Question::Packages(wanted));
            found.rows.iter().map(|row| written(&row[0])).collect::<Vec<_>>()
        };
        let all = WantedPackages::default;
        assert_eq!(names(WantedPackages { kinds: vec![PackageKind::Npm], ..all() }), ["lodash"]);
        assert_eq!(names(WantedPackages { name: glob("l*"), with_declared: true, ..all() }), ["lodash", "left-pad"]);
        assert_eq!(names(WantedPackages { name: glob("bash"), version: Some("5.1".to_owned()), ..all() }), [""; 0]);
        assert_eq!(names(WantedPackages { layer: Some(0), ..all() }), ["bash"]);
        let paths = |wanted: WantedFiles| {
            let found = answer(&image(), &Question::Files(wanted));
            found.rows.iter().map(|row| written(&row[5])).collect::<Vec<_>>()
        };
        let sudo = "/usr/bin/sudo\u{1b}[31m";
        // A package's path is where its links lead.
        assert_eq!(paths(WantedFiles { is_unpackaged: true, ..WantedFiles::default() }), ["/bin", sudo]);
        assert_eq!(paths(WantedFiles { is_setuid: true, ..WantedFiles::default() }), [sudo]);
        assert_eq!(paths(WantedFiles { path: glob("/usr/*/ba*"), ..WantedFiles::default() }), ["/usr/bin/bash"]);
        assert_eq!(paths(WantedFiles { layer: Some(1), ..WantedFiles::default() }), [sudo]);
        assert!(answer(&image(), &Question::Packages(WantedPackages { layer: Some(9), ..all() })).is_empty());
    }

    #[test]
    fn programs_get_all_columns_and_people_no_control_characters() {
        let files = answer(&image(), &Question::Files(WantedFiles { is_setuid: true, ..WantedFiles::default() }));
        assert!(!files.text(Style::default()).contains('\u{1b}'));
        assert_eq!(files.json()[0]["sha256"], "c".repeat(64));
        assert_eq!(answer(&image(), &Question::Summary).json()["stored_bytes"], 1020);
        let mut table = Vec::new();
        answer(&image(), &Question::Licenses).csv(&mut table).unwrap();
        assert_eq!(String::from_utf8(table).unwrap(), "license,count,packages\r\nGPL-3,1,bash\r\nMIT,1,lodash\r\n");
    }

    #[test]
    fn a_history_that_does_not_line_up_names_no_layer() {
        let mut image = image();
        image.layers.pop();
        let rows = answer(&image, &Question::History).rows;
        assert!(rows.iter().all(|row| row[1].is_null()), "{rows:?}");
    }

    #[test]
    fn the_dockerfile_can_be_built_again() {
        assert_eq!(dockerfile(&image()), "FROM scratch\nADD file:1 in /\nCMD [\"bash\"]\nRUN make\n");
        let mut image = image();
        let step = |command: &str| killick_model::image::History {
            created_by: Some(command.to_owned()),
            ..killick_model::image::History::default()
        };
        image.config.history = vec![
            step("|1 A=b /bin/sh -c apt-get update"),
            step("/bin/sh -c #(nop)  SHELL [/bin/bash -ec]"),
            step("/bin/bash -ec make"),
        ];
        let want = "FROM scratch\nRUN apt-get update\nSHELL [\"/bin/bash\",\"-ec\"]\nRUN make\n";
        assert_eq!(dockerfile(&image), want);
    }

    #[test]
    fn what_an_sbom_does_not_tell_is_left_empty() {
        let mut image = image();
        image.sbom = Some(killick_model::sbom::SbomOrigin {
            format: killick_model::attachment::SbomFormat::CycloneDx,
            version: None,
            tool: None,
            created: None,
            fidelity: killick_model::sbom::Fidelity { score: 100, deductions: Vec::new() },
        });
        image.packages[1].location = killick_model::path::ImagePath::default();
        let found = answer(&image, &Question::Packages(WantedPackages::default())).json();
        assert_eq!((&found[0]["layer"], &found[0]["location"]), (&json!(0), &json!("/var/lib/dpkg/status")));
        assert_eq!((&found[1]["layer"], &found[1]["location"]), (&Value::Null, &Value::Null));
        image.layers.clear();
        let layer = WantedPackages { layer: Some(0), ..WantedPackages::default() };
        assert!(answer(&image, &Question::Packages(layer)).is_empty(), "without layers nothing is in the lowest");
    }
}
