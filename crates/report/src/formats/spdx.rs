//! SPDX 2.3 as JSON and as tag-value text (<https://spdx.github.io/spdx-spec/v2.3/>), and the same as 3.0.1 (`graph`).
//!
//! The image is a package that the document describes; it contains the distribution and the packages, each with the
//! source package it was generated from. A file that says that a package is there is named where its SHA-1 is known,
//! because the format takes no file without; elsewhere `sourceInfo` names it. What is known to be wrong with a package
//! is a reference to the advisory (annex K).

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::Digester;
use killick_model::file::FileEntry;
use killick_model::lifecycle::Support;
use killick_model::package::{Package, PackageEvidence, PackageId, SourcePackage};

use super::{IndexReport, Report, Style, content_uuid, pretty};
use crate::licenses::Licenses;
use document::{CreationInfo, Document, Each, ExtractedLicense, Relationship};

mod document;
mod elements;
mod graph;
mod tag_value;

pub(super) fn render_json(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    json(&Contents::of_image(report), out)
}

pub(super) fn render_json_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    json(&Contents::of_index(index), out)
}

pub(super) fn render_tag_value(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    tag_value::write(&Contents::of_image(report), out)
}

pub(super) fn render_tag_value_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    tag_value::write(&Contents::of_index(index), out)
}

pub(super) fn render_graph(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    graph::write(&Contents::of_image(report), out)
}

pub(super) fn render_graph_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    graph::write(&Contents::of_index(index), out)
}

/// What a document tells, ready to be written in whatever notation.
struct Contents<'a> {
    /// The image or the index as the user named it.
    source: &'a str,
    tool_version: &'a str,
    now: Timestamp,
    images: Vec<Image<'a>>,
    /// The index, if the images are of one.
    index: Option<document::Package>,
    licenses: Licenses,
    /// What could not be read.
    problems: Vec<String>,
}

/// One image, whose elements are named apart from those of others.
struct Image<'a> {
    report: &'a Report<'a>,
    /// In front of each name.
    scope: String,
    /// What the packages were built from, once each.
    sources: BTreeMap<&'a SourcePackage, (usize, &'a Package)>,
    /// What inspectors say of the licences of packages.
    concluded: BTreeMap<PackageId, &'a str>,
}

impl<'a> Contents<'a> {
    fn of_image(report: &'a Report<'a>) -> Self {
        let problems = report.problems().map(|problem| format!("{}: {}", problem.subject, problem.message));
        Self {
            source: report.source,
            tool_version: report.tool_version,
            now: report.now,
            images: vec![Image::new(report, String::new())],
            index: None,
            licenses: Licenses::of([report.analysis]),
            problems: problems.collect(),
        }
    }

    fn of_index(index: &'a IndexReport<'a>) -> Self {
        let read = index.images.iter().filter_map(|image| image.outcome.as_ref().ok());
        let images: Vec<Image<'_>> =
            read.enumerate().map(|(at, report)| Image::new(report, format!("Image{at}-"))).collect();
        let unread = index.images.iter().filter_map(|image| {
            let error = image.outcome.as_ref().err()?;
            Some(format!("{} {}: {error}", image.platform, image.digest))
        });
        let problems = images.iter().flat_map(|image| image.report.problems());
        let problems = problems.map(|problem| format!("{}: {}", problem.subject, problem.message));
        Self {
            source: index.source,
            tool_version: index.tool_version,
            now: index.now,
            index: index.digest.map(|digest| elements::container("SPDXRef-Index".to_owned(), index.source, digest)),
            licenses: Licenses::of(images.iter().map(|image| image.report.analysis)),
            problems: unread.chain(problems).collect(),
            images,
        }
    }

    fn creation_info(&self, created: String) -> CreationInfo {
        let comment = (!self.problems.is_empty()).then(|| format!("could not be read: {}", self.problems.join("; ")));
        CreationInfo {
            created,
            creators: vec![format!("Tool: killick-{}", self.tool_version)],
            license_list_version: list_version(),
            comment,
        }
    }

    fn packages(&self) -> impl Iterator<Item = document::Package> {
        let images = self.images.iter().flat_map(|image| image.packages(&self.licenses));
        self.index.clone().into_iter().chain(images)
    }

    fn files(&self) -> impl Iterator<Item = document::File> {
        self.images.iter().flat_map(Image::files)
    }

    fn extracted_licenses(&self) -> impl Iterator<Item = ExtractedLicense> {
        self.licenses.references().map(|(name, text)| ExtractedLicense {
            license_id: name.to_owned(),
            extracted_text: text.to_owned(),
            name: text.lines().next().unwrap_or_default().chars().take(120).collect(),
        })
    }

    fn relationships(&self) -> impl Iterator<Item = Relationship> {
        let top = match &self.index {
            Some(index) => vec![index.id.clone()],
            None => self.images.iter().map(|image| image.name("Image")).collect(),
        };
        let described = top.into_iter().map(|id| Relationship::new("SPDXRef-DOCUMENT", "DESCRIBES", id));
        let contained = self.index.iter().flat_map(|index| {
            self.images.iter().map(|image| Relationship::new(&index.id, "CONTAINS", image.name("Image")))
        });
        described.chain(contained).chain(self.images.iter().flat_map(Image::relationships))
    }

    /// A name of the document that follows from what it tells, whenever that is told.
    fn namespace(&self) -> io::Result<String> {
        let mut digester = Digester::default();
        pretty(&self.document(String::new(), self.creation_info(String::new())), &mut digester)?;
        let uuid = content_uuid(&digester.digest());
        let name: String =
            self.document_name().chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect();
        Ok(format!("{}/spdx/{name}-{}", super::HOME, uuid.trim_start_matches("urn:uuid:")))
    }

    fn document_name(&self) -> String {
        let name = super::one_line(self.source);
        if name.is_empty() { "image".to_owned() } else { name }
    }

    fn document(&self, namespace: String, creation_info: CreationInfo) -> Document<impl serde::Serialize + '_> {
        Document {
            version: "SPDX-2.3",
            data_license: "CC0-1.0",
            id: "SPDXRef-DOCUMENT",
            name: self.document_name(),
            namespace,
            creation_info,
            contents: document::Lists {
                packages: Each(|| self.packages()),
                files: Each(|| self.files()),
                extracted_licenses: Each(|| self.extracted_licenses()),
                relationships: Each(|| self.relationships()),
            },
        }
    }
}

impl<'a> Image<'a> {
    fn new(report: &'a Report<'a>, scope: String) -> Self {
        let mut sources = BTreeMap::new();
        for package in &report.analysis.packages {
            let next = sources.len();
            if let Some(source) = &package.source {
                sources.entry(source).or_insert((next, package));
            }
        }
        Self { report, scope, sources, concluded: Licenses::concluded(report.analysis) }
    }

    fn analysis(&self) -> &'a Analysis {
        self.report.analysis
    }

    fn name(&self, what: &str) -> String {
        format!("SPDXRef-{}{what}", self.scope)
    }

    fn package_name(&self, at: usize, package: &Package) -> String {
        const LONGEST: usize = 60;
        let letters = package.name.chars().take(LONGEST).map(|letter| if is_plain(letter) { letter } else { '-' });
        let name: String = letters.collect();
        self.name(&format!(
            "Package-{}-{}-{at}",
            package.kind.name().replace(|letter| !is_plain(letter), "-"),
            name.trim_matches('-')
        ))
    }

    fn source_name(&self, source: &SourcePackage) -> Option<String> {
        self.sources.get(source).map(|(at, _)| self.name(&format!("Source-{at}")))
    }

    fn owner_name(&self, id: PackageId) -> Option<String> {
        let at = usize::try_from(id.0).ok()?;
        Some(self.package_name(at, self.analysis().packages.get(at)?))
    }

    fn packages(&self, licenses: &Licenses) -> impl Iterator<Item = document::Package> {
        let analysis = self.analysis();
        let own = elements::image(self);
        let distribution = analysis.distribution.as_ref().map(|found| elements::distribution(self, found));
        let packages = analysis.packages.iter().enumerate();
        let packages = packages.map(move |(at, package)| elements::package(self, licenses, at, package));
        let sources = self.sources.iter().map(|(source, (at, package))| {
            elements::source(self.name(&format!("Source-{at}")), source, package, analysis.distribution.as_ref())
        });
        std::iter::once(own).chain(distribution).chain(packages).chain(sources)
    }

    /// Files that say that packages are there, each once.
    fn evidence(&self) -> BTreeMap<&'a [u8], &'a FileEntry> {
        let analysis = self.analysis();
        let files = analysis.packages.iter().filter_map(|package| analysis.file(package.location.as_bytes()));
        files.filter(|file| file.sha1.is_some()).map(|file| (file.path.as_bytes(), file)).collect()
    }

    fn files(&self) -> impl Iterator<Item = document::File> {
        let all = self.evidence().into_values().enumerate();
        all.map(|(at, file)| elements::file(self.name(&format!("File-{at}")), file))
    }

    fn relationships(&self) -> impl Iterator<Item = Relationship> {
        let analysis = self.analysis();
        let image = self.name("Image");
        let of = image.clone();
        let distribution =
            analysis.distribution.iter().map(move |_| Relationship::new(&of, "CONTAINS", self.name("Distribution")));
        let files: BTreeMap<&[u8], usize> =
            self.evidence().into_keys().enumerate().map(|(at, path)| (path, at)).collect();
        let packages = analysis.packages.iter().enumerate().flat_map(move |(at, package)| {
            let name = self.package_name(at, package);
            let held = match package.evidence {
                PackageEvidence::Installed | PackageEvidence::Copied => {
                    Relationship::new(&image, "CONTAINS", name.clone())
                }
                PackageEvidence::Claimed => Relationship::new(&image, "OTHER", name.clone())
                    .because("a document inside the image claims that it is there"),
                PackageEvidence::Declared if package.is_development => {
                    Relationship::new(&name, "DEV_DEPENDENCY_OF", image.clone())
                }
                PackageEvidence::Declared => Relationship::new(&image, "OTHER", name.clone())
                    .because("a lock file asks for it; whether it was installed, nothing tells"),
            };
            let source = package.source.as_ref().and_then(|source| self.source_name(source));
            let source = source.map(|source| Relationship::new(&name, "GENERATED_FROM", source));
            let owner = package.owner.and_then(|owner| self.owner_name(owner));
            let owner = owner.map(|owner| Relationship::new(&owner, "CONTAINS", name.clone()));
            let file = files.get(package.location.as_bytes()).map(|at| self.name(&format!("File-{at}")));
            let file = file
                .map(|file| Relationship::new(&name, "OTHER", file).because("the file says that the package is there"));
            [Some(held), source, owner, file].into_iter().flatten()
        });
        distribution.chain(packages)
    }

    /// What is to be said of a package besides.
    fn remarks(&self, at: usize, package: &Package) -> Vec<String> {
        let mut remarks = Vec::new();
        if package.is_development {
            remarks.push("for developing or testing only".to_owned());
        }
        remarks.extend(package.architecture.iter().map(|text| format!("architecture {}", super::one_line(text))));
        remarks.extend(package.distribution.iter().map(|found| format!("of {}", super::one_line(&found.label()))));
        // Their packages are in ascending order.
        let id = PackageId(u32::try_from(at).unwrap_or(u32::MAX));
        let ended = self.report.unsupported.iter().filter(|ended| ended.packages.binary_search(&id).is_ok());
        remarks.extend(ended.map(|ended| {
            let what = if ended.support == Support::Ended { "not supported any more" } else { "extended support only" };
            format!("{} {}: {what}", ended.product, ended.cycle)
        }));
        remarks
    }
}

fn json(contents: &Contents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let created = instant(contents.now);
    pretty(&contents.document(contents.namespace()?, contents.creation_info(created)), out)
}

/// To the second: the format has no fractions.
fn instant(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The list that licences are named by, as `3.27`.
fn list_version() -> String {
    spdx::license_version().trim_start_matches('v').split('.').take(2).collect::<Vec<_>>().join(".")
}

/// What names of elements may have.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '.'
}
