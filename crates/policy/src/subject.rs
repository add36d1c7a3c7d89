//! What findings are about, in the words exceptions select by.

use killick_model::analysis::Analysis;
use killick_model::evaluation::{FindingSubject, SubjectPackage, SubjectVulnerability};
use killick_model::matching::Match;
use killick_model::package::Package;
use killick_model::purl::purl;

use crate::v1;

/// A package.
pub(crate) fn of_package(package: &Package, analysis: &Analysis) -> FindingSubject {
    let path = v1::package_path(package);
    FindingSubject {
        package: Some(SubjectPackage {
            kind: package.kind,
            name: package.name.clone(),
            version: package.version.clone(),
            purl: purl(package, analysis.distribution.as_ref()),
        }),
        vulnerability: None,
        path: (path != "pkgdb").then_some(path),
    }
}

/// A vulnerability of a package, given what is said of the package.
pub(crate) fn of_match(found: &Match, package: &Package, of_package: FindingSubject) -> FindingSubject {
    let deciding = found.evidence.first();
    let advisory = deciding.map(|evidence| match &evidence.published {
        Some(published) => format!("{} of {published}", evidence.advisory),
        None => evidence.advisory.clone(),
    });
    let mut aliases = found.aliases.clone();
    let id = found.anchore_id(package);
    if id != found.vulnerability && !aliases.iter().any(|alias| alias == id) {
        aliases.push(id.to_owned());
    }
    FindingSubject {
        vulnerability: Some(SubjectVulnerability {
            id: found.vulnerability.clone(),
            aliases,
            severity: found.severity,
            fix: found.fix.state,
            known_exploited: found.known_exploited,
            malicious: found.malicious,
            advisory,
        }),
        ..of_package
    }
}
