//! Java archives: what is in them, and in the archives inside them.
//!
//! An archive says what it is in three places (JAR File Specification, "JAR Manifest"; Apache Maven Archiver,
//! "pom.properties content"; its own file name), and any may be missing. A `pom.properties` of another artifact says
//! that this one was merged in ("shaded"), so it is a package too.

pub(super) mod archive;
mod manifest;
mod name;
mod pom;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use self::archive::{Allowance, Archive, Entry};
use self::manifest::Manifest;
use self::pom::Pom;
use crate::catalogers::{Cataloger, Found, WantedFile, Wants, package};
use crate::content::Content;
use crate::limits::Limits;

/// File extensions of Java archives.
const EXTENSIONS: &[&str] = &["jar", "war", "ear", "jpi", "hpi", "par", "sar", "nar", "kar", "lpkg", "rar"];

/// Those that nothing but Java uses. Files with another one of them may be something else, and are no broken archives.
const JAVA_ONLY: &[&str] = &["jar", "war", "ear", "jpi", "hpi"];

/// Executables that may be archives: as they are, or behind a script that starts them.
const EXECUTABLES: &[&[u8]] = &[b"PK\x03\x04", b"#!"];

/// The main section of a manifest comes first; what a signer adds for each class may be very long.
const MANIFEST_BYTES: usize = 256 << 10;

/// A `pom.properties` has three lines and two comments.
const POM_BYTES: usize = 8 << 10;

/// A `pom.xml`; the largest real ones have some hundred kilobytes.
const PROJECT_BYTES: usize = 512 << 10;

/// `pom.xml` of one file that are read.
const MAX_PROJECTS: usize = 2000;

/// Packages and problems kept of one file, nested archives included; above are only counted.
const MAX_PACKAGES: usize = 10_000;
const MAX_PROBLEMS: usize = 20;

/// Finds Java archives.
pub(crate) struct Java;

impl Cataloger for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn revision(&self) -> u32 {
        3
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Java]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/*.jar",
                "**/*.war",
                "**/*.ear",
                "**/*.jpi",
                "**/*.hpi",
                "**/*.par",
                "**/*.sar",
                "**/*.nar",
                "**/*.kar",
                "**/*.lpkg",
                "**/*.rar",
            ],
            executables: EXECUTABLES,
        }
    }

    fn unpacks(&self, size: u64, limits: &Limits) -> u64 {
        archive::unpacks(size, limits)
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        // An empty file stands for an archive that a build left out.
        if file.content.size() == 0 {
            return;
        }
        let is_java = extension(file.path.file_name()).is_some_and(|extension| JAVA_ONLY.contains(&extension));
        if !is_java && !archive::says_java(file.content, file.limits) {
            return;
        }
        let mut search = Search {
            location: file.path,
            limits: file.limits,
            allowance: Allowance::new(file.limits, file.content.size()),
            spare_bytes: usize::try_from(archive::unpacks(file.bytes.len() as u64, file.limits)).unwrap_or(usize::MAX),
            chain: Vec::new(),
            projects: MAX_PROJECTS,
            left_out: 0,
            found,
        };
        search.archive(file.content);
        search.finish();
    }
}

/// The search of one file.
struct Search<'a> {
    location: &'a ImagePath,
    limits: &'a Limits,
    allowance: Allowance,
    /// What nested archives may yet be unpacked to, of what was taken from the shared budget for this file.
    spare_bytes: usize,
    /// Names of the open nested archives, from the file inwards.
    chain: Vec<String>,
    /// `pom.xml` that may yet be read.
    projects: usize,
    /// Packages and problems above what is kept.
    left_out: usize,
    found: &'a mut Found,
}

impl Search<'_> {
    fn archive(&mut self, file: Content<'_>) {
        let archive = match Archive::open(file, &mut self.allowance) {
            Ok(archive) => archive,
            Err(reason) => return self.problem(&reason),
        };
        let mut manifest = Manifest::default();
        let mut poms: Vec<(String, Pom)> = Vec::new();
        let mut projects: Vec<(String, Pom)> = Vec::new();
        for entry in &archive.entries {
            if entry.name.eq_ignore_ascii_case(b"META-INF/MANIFEST.MF") {
                if let Some((bytes, _)) = self.member(&archive, entry, MANIFEST_BYTES) {
                    manifest = Manifest::parse(&bytes);
                }
            } else if pom::is_pom(entry.name) && poms.len() < MAX_PACKAGES {
                let Some((bytes, is_cut)) = self.member(&archive, entry, POM_BYTES) else { continue };
                if is_cut {
                    self.problem("limit-member-bytes: a `pom.properties` is too long to be one");
                    continue;
                }
                let pom = Pom::parse(&bytes);
                if pom.artifact.is_some() {
                    poms.push((String::from_utf8_lossy(entry.name).into_owned(), pom));
                }
            } else if pom::is_project(entry.name) && self.projects > 0 {
                self.projects -= 1;
                // One that is cut is no document.
                let Some((bytes, _)) = self.member(&archive, entry, PROJECT_BYTES) else { continue };
                let project = Pom::of_project(&String::from_utf8_lossy(&bytes));
                projects.extend(project.map(|project| (String::from_utf8_lossy(entry.name).into_owned(), project)));
            }
        }
        completed(&mut poms, projects);
        self.packages(&manifest, distinct(poms));
        for entry in &archive.entries {
            if extension(entry.name).is_some() {
                self.nested(&archive, entry);
            }
        }
    }

    /// The package that the archive is, and those merged into it.
    fn packages(&mut self, manifest: &Manifest, mut poms: Vec<(String, Pom)>) {
        let file_name = match self.chain.last() {
            Some(member) => Cow::Borrowed(member.rsplit('/').next().unwrap_or(member)),
            None => String::from_utf8_lossy(self.location.file_name()),
        };
        let known = extension(file_name.as_bytes());
        let stem = match known {
            Some(_) => file_name.rsplit_once('.').map_or(&*file_name, |(stem, _)| stem).to_owned(),
            // A program that is an archive.
            None => file_name.to_string(),
        };
        let extension = known.unwrap_or("jar");
        let own = own(&stem, manifest, &poms).map(|index| poms.remove(index).1);
        let (file_stem, file_version) = name::split(&stem);
        let version = (own.as_ref().and_then(|pom| pom.version.as_deref()))
            .or(file_version)
            .or_else(|| manifest.version())
            .unwrap_or_default();
        // Of an archive that others were merged into and that has no version itself, nothing can be said.
        if own.is_some() || !version.is_empty() || poms.is_empty() {
            let name = own.as_ref().and_then(|pom| pom.artifact.as_deref()).or_else(|| manifest.get("Short-Name"));
            let name = name.unwrap_or(file_stem);
            let mut package = package(PackageKind::Java, name, version, self.location);
            package.licenses = manifest.licenses();
            if package.licenses.is_empty() {
                package.licenses = own.as_ref().map(|pom| pom.licenses.clone()).unwrap_or_default();
            }
            package.origin = manifest.vendor();
            let group = manifest.group(name);
            let pom = own.unwrap_or_default();
            package.details = PackageDetails::Java {
                group: pom.group.or(group),
                specification_version: manifest.get("Specification-Version").map(str::to_owned),
                implementation_version: manifest.get("Implementation-Version").map(str::to_owned),
                maven_version: pom.version,
                pom_properties: pom.text,
                extension: extension.to_owned(),
            };
            self.found(package, None);
        }
        for (member, pom) in poms {
            let Some(name) = &pom.artifact else { continue };
            let version = pom.version.as_deref().unwrap_or_default();
            let mut package = package(PackageKind::Java, name, version, self.location);
            package.licenses = pom.licenses;
            package.details = PackageDetails::Java {
                group: pom.group,
                specification_version: None,
                implementation_version: None,
                maven_version: pom.version,
                pom_properties: pom.text,
                extension: extension.to_owned(),
            };
            self.found(package, Some(member));
        }
    }

    fn nested(&mut self, archive: &Archive<'_>, entry: &Entry<'_>) {
        let name = String::from_utf8_lossy(entry.name).into_owned();
        let chain_bytes: usize = self.chain.iter().map(String::len).sum();
        if chain_bytes + name.len() > self.limits.path_bytes {
            return self.problem("limit-path-bytes: the names of nested archives are too long");
        }
        if self.chain.len() >= usize::try_from(self.limits.archive_depth).unwrap_or(usize::MAX) {
            return self.problem(&format!("limit-archive-depth: `{name}` is not opened"));
        }
        if entry.is_stored() {
            let Some(stored) = archive.stored(entry) else {
                return self
                    .problem(&format!("member `{}` lies outside the archive", name.get(..200).unwrap_or(&name)));
            };
            self.chain.push(name);
            self.archive(stored);
            self.chain.pop();
            return;
        }
        let Some((bytes, is_cut)) = self.member(archive, entry, self.spare_bytes) else { return };
        if is_cut {
            return self.problem(&format!("limit-held-bytes: `{name}` is too large to be opened"));
        }
        let held = if matches!(bytes, Cow::Owned(_)) { bytes.len() } else { 0 };
        self.spare_bytes = self.spare_bytes.saturating_sub(held);
        self.chain.push(name);
        self.archive(Content::whole(&bytes));
        self.chain.pop();
        self.spare_bytes += held;
    }

    /// The bytes of a member, at most `most`, and whether there are more.
    fn member<'b>(&mut self, archive: &Archive<'b>, entry: &Entry<'_>, most: usize) -> Option<(Cow<'b, [u8]>, bool)> {
        match archive.read(entry, most, &mut self.allowance) {
            Ok(content) => Some((content.bytes, content.is_cut)),
            Err(reason) => {
                self.problem(&reason);
                None
            }
        }
    }

    fn found(&mut self, mut package: Package, member: Option<String>) {
        if self.found.packages.len() >= MAX_PACKAGES {
            self.left_out += 1;
            return;
        }
        package.nested.clone_from(&self.chain);
        package.nested.extend(member);
        self.found.packages.push(package);
    }

    /// A reason that begins with the name of a limit becomes a problem of that kind.
    fn problem(&mut self, reason: &str) {
        let (kind, message) = match reason.split_once(": ") {
            Some((kind, message)) if kind.starts_with("limit-") => (kind, message),
            _ => ("malformed-archive", reason),
        };
        // A limit is told once, and then however much else is wrong.
        let is_limit = kind.starts_with("limit-");
        let is_told = is_limit && self.found.problems.iter().any(|problem| problem.kind == kind);
        if is_told || (!is_limit && self.found.problems.len() >= MAX_PROBLEMS) {
            self.left_out += 1;
            return;
        }
        let mut subject = self.location.to_string();
        for member in &self.chain {
            subject.push(':');
            subject.push_str(member);
        }
        self.found.problems.push(Problem::new(kind, subject, message));
    }

    fn finish(self) {
        if self.left_out > 0 {
            let message = format!("{} more packages or problems of this archive are not shown", self.left_out);
            self.found.problems.push(Problem::new("more-problems", self.location.to_string(), message));
        }
    }
}

/// The extension, if it is one of Java archives.
fn extension(name: &[u8]) -> Option<&'static str> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let extension = name.get(dot + 1..)?;
    EXTENSIONS.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(extension)).copied()
}

/// Takes from each `pom.xml` what its `pom.properties` does not say, and the coordinates where there is none.
fn completed(poms: &mut Vec<(String, Pom)>, projects: Vec<(String, Pom)>) {
    let folder = |member: &str| member.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
    let known: HashMap<String, usize> = poms.iter().enumerate().map(|(at, (member, _))| (folder(member), at)).collect();
    for (member, project) in projects {
        let is_complete = project.artifact.is_some() && poms.len() < MAX_PACKAGES;
        if let Some((_, pom)) = known.get(&folder(&member)).and_then(|at| poms.get_mut(*at)) {
            pom.licenses = project.licenses;
        } else if is_complete {
            poms.push((member, project));
        }
    }
}

/// The first of each coordinates. By a set: there may be very many.
fn distinct(mut poms: Vec<(String, Pom)>) -> Vec<(String, Pom)> {
    let mut seen = HashSet::new();
    let is_first: Vec<bool> = poms.iter().map(|(_, pom)| seen.insert(pom.coordinates())).collect();
    let mut is_first = is_first.into_iter();
    poms.retain(|_| is_first.next().unwrap_or_default());
    poms
}

/// Which of the `pom.properties` is of the archive itself: that of the longest artifact id which the file name begins
/// with. A lone one also if the file name is its end, or the manifest means the same: archives are renamed.
fn own(stem: &str, manifest: &Manifest, poms: &[(String, Pom)]) -> Option<usize> {
    let artifact = |pom: &Pom| name::dotted(pom.artifact.as_deref().unwrap_or_default());
    let dotted = name::dotted(stem);
    let begins =
        |artifact: &str| dotted.strip_prefix(artifact).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let fitting = poms.iter().enumerate().filter(|(_, (_, pom))| begins(&artifact(pom)));
    if let Some((index, _)) = fitting.max_by_key(|(_, (_, pom))| artifact(pom).len()) {
        return Some(index);
    }
    // A renamed archive: the manifest names one of them, in the version that it gives.
    let mut named = poms.iter().enumerate().filter(|(_, (_, pom))| {
        manifest.names(pom.artifact.as_deref().unwrap_or_default()) && pom.version.as_deref() == manifest.version()
    });
    if let (Some((index, _)), None) = (named.next(), named.next()) {
        return Some(index);
    }
    let [(_, pom)] = poms else { return None };
    let is_version = |version: Option<&str>| version.is_some() && version == pom.version.as_deref();
    // `plexus-utils2.jar`: packagers keep lines apart.
    let is_line = dotted
        .strip_prefix(&artifact(pom))
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_digit()));
    let is_own = is_line
        || artifact(pom).strip_suffix(&dotted).is_some_and(|rest| rest.ends_with('.'))
        || manifest.names(pom.artifact.as_deref().unwrap_or_default())
        || is_version(name::split(stem).1)
        || is_version(manifest.version());
    is_own.then_some(0)
}

#[cfg(test)]
mod tests;
