//! The database of Grype, version 6: SQLite, in a tar archive compressed with zstd, as it is published.
//!
//! <https://github.com/anchore/grype/tree/main/grype/db/v6>: handles tie a vulnerability to a package of a distribution or
//! an ecosystem, and point to blobs, JSON texts with ranges and fixes. Many upstreams with terms of their own are in it,
//! so it is for whoever fetches it. Where a distribution's own feed is there as well, that one knows better.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use killick_model::advisory::{
    AdvisoryStatus, Enrichment, Exploited, Instant, Level, License, Qualifier, RatingValue, Statement, Verdict,
};
use killick_model::feed::{Form, Upstream};

use self::blobs::{Affected, GoImport, Known, Vulnerability};
use self::sqlite::{Database, Row};
use super::json::cwe_numbers;
use super::sink::UNDATED;
use super::{Filing, Input, Namespace, Provider, ReadError, Sink, existing, files_in, has_extension, said};
use crate::index::Coverage;
use crate::namespaces;

mod blobs;
mod sqlite;

pub(super) const PROVIDER: Provider = Provider {
    name: "grype",
    title: "Grype database, version 6",
    upstreams: UPSTREAMS,
    find: |root: &Path| -> Vec<Vec<PathBuf>> {
        let unpacked = existing(root, &["grype/vulnerability.db", "grype/6/vulnerability.db"]);
        if !unpacked.is_empty() {
            return unpacked;
        }
        // Names end in the day of the build.
        let archives = files_in(root, "grype", |name| name.contains("-db_v6") && name.ends_with(".tar.zst"));
        archives.into_iter().next_back().map(|newest| vec![newest]).into_iter().collect()
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "archive",
    base: "https://grype.anchore.io/databases/v6/",
    folder: "grype",
    is_default: false,
    max_bytes: 2 << 30,
    hours: 0,
    notes_date: false,
    form: Form::Pointer { file: "latest.json", prefix: "vulnerability-db_v6" },
}];

/// The version of the model that is read, whatever was added to it.
const MODEL: i64 = 6;

/// Largest database: it is unpacked to disk.
const MAX_BYTES: u64 = 8 << 30;

/// Packages of languages, by the word of the database.
const ECOSYSTEMS: &[(&str, &str)] = &[
    ("bitnami", "Bitnami"),
    ("dart-pub", "Pub"),
    ("dotnet", "NuGet"),
    ("gem", "RubyGems"),
    ("github-action", "GitHub Actions"),
    ("go-module", "Go"),
    ("hex", "Hex"),
    ("java-archive", "Maven"),
    ("jenkins-plugin", "Maven"),
    ("npm", "npm"),
    ("php-composer", "Packagist"),
    ("python", "PyPI"),
    ("rust-crate", "crates.io"),
    ("swift", "SwiftURL"),
];

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let path = input.root.join(input.path);
    let is_archive = input.path.to_str().is_some_and(|path| has_extension(path, "zst"));
    let file = if is_archive {
        unpack(input)?
    } else {
        fs_err::File::open(path).map_err(|error| input.unreadable(error))?.into_parts().0
    };
    let database = Database::open(file).map_err(|error| input.malformed(error))?;
    Import::new(&database).and_then(|import| import.file(sink)).map_err(|error| input.malformed(error))
}

/// The database out of its archive.
fn unpack(input: &Input<'_>) -> Result<File, ReadError> {
    let mut archive = tar::Archive::new(input.reader()?);
    for entry in archive.entries().map_err(|error| input.unreadable(error))? {
        let entry = entry.map_err(|error| input.unreadable(error))?;
        if !entry.path_bytes().ends_with(b"vulnerability.db") {
            continue;
        }
        let mut file = tempfile::tempfile().map_err(|error| input.unreadable(error))?;
        io::copy(&mut entry.take(MAX_BYTES), &mut file).map_err(|error| input.unreadable(error))?;
        return Ok(file);
    }
    Err(input.malformed("there is no `vulnerability.db` in it"))
}

/// A vulnerability, as somebody tells of it.
struct Told {
    name: String,
    status: AdvisoryStatus,
    published: Option<Instant>,
    modified: Option<Instant>,
    provider: String,
    blob: i64,
}

struct Import<'a> {
    database: &'a Database,
    built: Option<Instant>,
    /// Namespaces of distributions; `None` for channels that are sold apart.
    systems: HashMap<i64, Option<String>>,
    packages: HashMap<i64, (String, String)>,
    vulnerabilities: HashMap<i64, Told>,
}

impl<'a> Import<'a> {
    fn new(database: &'a Database) -> Result<Self, String> {
        let (mut model, mut built) = (None, None);
        database.scan("db_metadata", &mut |row| {
            model = row.integer("model");
            built = instant(row, "build_timestamp");
            Ok(())
        })?;
        if model != Some(MODEL) {
            return Err(format!("its model is {model:?}, not {MODEL}"));
        }
        let mut systems = HashMap::new();
        database.scan("operating_systems", &mut |row| {
            systems.extend(row.integer("id").map(|id| (id, system(row))));
            Ok(())
        })?;
        let mut packages = HashMap::new();
        database.scan("packages", &mut |row| {
            let package = (row.text("ecosystem").to_owned(), row.text("name").to_owned());
            packages.extend(row.integer("id").map(|id| (id, package)));
            Ok(())
        })?;
        let mut vulnerabilities = HashMap::new();
        database.scan("vulnerability_handles", &mut |row| {
            let (Some(id), Some(blob)) = (row.integer("id"), row.integer("blob_id")) else { return Ok(()) };
            let is_withdrawn = !matches!(row.text("withdrawn_date"), "");
            let status = match row.text("status") {
                _ if is_withdrawn => AdvisoryStatus::Withdrawn,
                "rejected" => AdvisoryStatus::Rejected,
                "disputed" => AdvisoryStatus::Disputed,
                _ => AdvisoryStatus::Active,
            };
            let told = Told {
                name: row.text("name").to_owned(),
                status,
                published: instant(row, "published_date"),
                modified: instant(row, "modified_date"),
                provider: row.text("provider_id").to_owned(),
                blob,
            };
            vulnerabilities.insert(id, told);
            Ok(())
        })?;
        Ok(Self { database, built, systems, packages, vulnerabilities })
    }

    fn file(&self, sink: &mut Sink) -> Result<(), String> {
        for (table, verdict) in
            [("affected_package_handles", Verdict::Affected), ("unaffected_package_handles", Verdict::NotAffected)]
        {
            // Earlier builds have no table of what is unaffected.
            if verdict == Verdict::NotAffected
                && self.database.scan(table, &mut |_| Err(String::new())).is_err_and(|error| !error.is_empty())
            {
                continue;
            }
            self.database.scan(table, &mut |row| {
                if let Err(detail) = self.handle(row, verdict, sink) {
                    sink.skip(&format!("{table} {}", row.integer("id").unwrap_or_default()), detail);
                }
                Ok(())
            })?;
        }
        self.known(sink)?;
        if let Some(built) = self.built {
            sink.date(built);
        }
        Ok(())
    }

    fn blob<T: serde::de::DeserializeOwned>(&self, id: i64) -> Result<T, String> {
        let row = self.database.get("blobs", id)?.ok_or_else(|| format!("there is no blob {id}"))?;
        serde_json::from_str(row.text("value")).map_err(|error| format!("blob {id}: {error}"))
    }

    /// Files what one handle ties together.
    fn handle(&self, row: &Row<'_>, verdict: Verdict, sink: &mut Sink) -> Result<(), String> {
        let find = |column: &str| row.integer(column).ok_or_else(|| format!("it has no `{column}`"));
        let told = self.vulnerabilities.get(&find("vulnerability_id")?).ok_or("its vulnerability is not there")?;
        let (kind, name) = self.packages.get(&find("package_id")?).ok_or("its package is not there")?;
        let (namespace, is_distribution) = match row.integer("operating_system_id") {
            Some(id) => match self.systems.get(&id).ok_or("its distribution is not there")? {
                Some(namespace) => (namespace.as_str(), true),
                None => {
                    return {
                        sink.leave_out();
                        Ok(())
                    };
                }
            },
            None => match ECOSYSTEMS.iter().find(|(word, _)| word == kind) {
                Some((_, ecosystem)) => (*ecosystem, false),
                None => {
                    return {
                        sink.leave_out();
                        Ok(())
                    };
                }
            },
        };
        let affected: Affected = self.blob(find("blob_id")?)?;
        let vulnerability: Vulnerability = self.blob(told.blob)?;
        let ratings = blobs::ratings(&vulnerability, &told.provider);
        let mut qualifiers: Vec<Qualifier> = affected
            .qualifiers
            .rpm_modularity
            .filter(|label| !label.is_empty())
            .map(Qualifier::Module)
            .into_iter()
            .collect();
        qualifiers.extend(
            affected
                .qualifiers
                .go_imports
                .into_iter()
                .map(|GoImport { path, symbols }| Qualifier::GoImport { path, symbols }),
        );
        let word = ratings.iter().find_map(|rating| match rating.value {
            RatingValue::Word(severity) if is_distribution => Some(severity),
            _ => None,
        });
        for range in &affected.ranges {
            let scheme = blobs::scheme(&range.version.kind, namespace, is_distribution)?;
            let statement = Statement {
                advisory: told.name.clone(),
                name: name.clone(),
                level: if is_distribution { Level::Any } else { Level::Module },
                versions: blobs::constraint(scheme, &range.version.constraint)?,
                verdict: if range.fix.state == "not-affected" { Verdict::NotAffected } else { verdict },
                fix: blobs::fix(&range.fix, verdict),
                qualifiers: qualifiers.clone(),
                severity: word,
                known_since: UNDATED,
            };
            filing(namespace, sink).statement(&statement);
        }
        if sink.has_noted((namespace, &told.name)) {
            return Ok(());
        }
        sink.note((namespace, &told.name));
        let mut advisory = said::advisory(&told.name, License::Unknown);
        let others = vulnerability.aliases.into_iter().chain(affected.cves).filter(|id| *id != told.name);
        let mut others: Vec<String> = others.collect();
        others.sort();
        others.dedup();
        // An advisory of a distribution packages its CVEs; a CVE has other names.
        let packages = is_distribution && !told.name.starts_with("CVE-");
        (advisory.upstream, advisory.aliases) = if packages { (others, Vec::new()) } else { (Vec::new(), others) };
        (advisory.status, advisory.published, advisory.modified) = (told.status, told.published, told.modified);
        advisory.ratings = ratings;
        filing(namespace, sink).advisory(&advisory);
        Ok(())
    }

    /// What is known of CVEs whatever the package. Older builds lack these tables.
    fn known(&self, sink: &mut Sink) -> Result<(), String> {
        let nothing = || Enrichment {
            ratings: Vec::new(),
            cwes: Vec::new(),
            exploited: None,
            epss_millionths: None,
            status: AdvisoryStatus::Active,
            published: None,
            modified: None,
            known_since: UNDATED,
        };
        let exploited = &mut |row: &Row<'_>| {
            let known: Known = self.blob(row.integer("blob_id").unwrap_or_default())?;
            let day = |text: &Option<String>| text.as_deref().and_then(Instant::parse);
            let entry = Exploited {
                added: day(&known.date_added),
                due: day(&known.due_date),
                ransomware: known.ransomware.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("known")),
            };
            let cwes = cwe_numbers(known.cwes.iter().map(String::as_str));
            filing("", sink).enrichment(row.text("cve"), &Enrichment { exploited: Some(entry), cwes, ..nothing() });
            Ok(())
        };
        let has = |table: &str| {
            self.database.scan(table, &mut |_| Err(String::new())).map_or_else(|error| error.is_empty(), |()| true)
        };
        if has("known_exploited_vulnerability_handles") {
            self.database.scan("known_exploited_vulnerability_handles", exploited)?;
        }
        if has("epss_handles") {
            self.database.scan("epss_handles", &mut |row| {
                let Some(score) = row.real("epss").filter(|score| (0.0..=1.0).contains(score)) else {
                    sink.skip(row.text("cve"), "its score is no probability");
                    return Ok(());
                };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a probability")]
                let millionths = Some((score * 1e6).round() as u32);
                filing("", sink).enrichment(row.text("cve"), &Enrichment { epss_millionths: millionths, ..nothing() });
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The filing of a namespace; of knowledge that has none by the empty name.
fn filing<'a>(namespace: &str, sink: &'a mut Sink) -> &'a mut Filing {
    sink.file(namespace, || Namespace {
        name: if namespace.is_empty() { "grype".to_owned() } else { namespace.to_owned() },
        ecosystem: namespace.to_owned(),
        coverage: Coverage::FixedOnly,
        license: License::Unknown,
        attribution: "Grype database, of many sources with terms of their own".to_owned(),
    })
}

/// `2024-01-02 03:04:05+00:00`, as SQLite has it, or RFC 3339.
fn instant(row: &Row<'_>, column: &str) -> Option<Instant> {
    let text = row.text(column);
    Instant::parse(text).or_else(|| Instant::parse(text.get(..19)?))
}

/// The namespace of a distribution; `None` for channels that are sold apart.
fn system(row: &Row<'_>) -> Option<String> {
    if !row.text("channel").is_empty() {
        return None;
    }
    let id = Some(row.text("release_id")).filter(|id| !id.is_empty()).unwrap_or(row.text("name"));
    let (major, minor) = (row.text("major_version"), row.text("minor_version"));
    let word = Some(row.text("label_version")).filter(|label| !label.is_empty()).unwrap_or(row.text("codename"));
    Some(match (id, major, minor) {
        ("debian", "", _) => namespaces::debian(word),
        // Zeros in front were cut.
        ("ubuntu", major, minor) if !minor.is_empty() => format!("ubuntu:{major}.{minor:0>2}"),
        (id, "", _) if word.is_empty() || word == "rolling" => id.to_owned(),
        (id, "", _) => format!("{id}:{word}"),
        (id, major, "") => format!("{id}:{major}"),
        (id, major, minor) => format!("{id}:{major}.{minor}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_unpacked() {
        let work = tempfile::tempdir().unwrap();
        let case =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/providers/grype/handles/feeds/grype/vulnerability.db");
        fs_err::create_dir(work.path().join("grype")).unwrap();
        for (name, member) in [
            ("vulnerability-db_v6.1.9_2099-01-01T00:00:00Z_1.tar.zst", "vulnerability.db"),
            ("x-db_v6.tar.zst", "other"),
        ] {
            let out = fs_err::File::create(work.path().join("grype").join(name)).unwrap();
            let mut archive = tar::Builder::new(zstd::Encoder::new(out, 1).unwrap());
            archive.append_path_with_name(&case, member).unwrap();
            archive.into_inner().unwrap().finish().unwrap();
        }
        let read_one = |name: &str| {
            let path = Path::new("grype").join(name);
            let mut sink = Sink::new();
            read(&Input { root: work.path(), path: &path }, &mut sink).map(|()| sink.finish().len())
        };
        assert_eq!(read_one("vulnerability-db_v6.1.9_2099-01-01T00:00:00Z_1.tar.zst").unwrap(), 8);
        assert!(read_one("x-db_v6.tar.zst").is_err());
        let found = (PROVIDER.find)(work.path());
        assert_eq!(found, [[Path::new("grype/x-db_v6.tar.zst")]], "the last one by name");
    }
}
