//! Whether the files of distribution packages are as the package databases say.
//!
//! The comparison is [`verification`]; the policy gate that asks for it holds to the same.

use killick_model::inspection::{ChangedFile, Inspection};
use killick_model::package::{Package, PackageId};
use killick_model::problem::Problem;
use killick_model::verification;

use super::{Asks, Digesting, Inspector, Seen};
use crate::inspectors::settings::{Settings, SettingsError};

/// Most files told; an image of which more are different is a wreck.
const MAX_CHANGED: usize = 200_000;

/// The inspector.
pub(super) struct PackageFiles;

impl Inspector for PackageFiles {
    fn name(&self) -> &'static str {
        "package-files"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError> {
        Ok(settings.package_files.then(|| Asks { digesting: Digesting::Packaged, ..Asks::default() }))
    }

    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, problems: &mut Vec<Problem>) {
        let mut changed = Vec::new();
        let mut left_out = 0_u64;
        let is_verified = |package: &Package| package.kind.is_os() && package.evidence.is_installed();
        for (id, package) in (0..).zip(seen.packages).filter(|(_, package)| is_verified(package)) {
            for file in &package.files {
                let differences = verification::differences(package.kind, file, seen.files);
                if differences.is_empty() {
                    continue;
                }
                if changed.len() >= MAX_CHANGED {
                    left_out += 1;
                    continue;
                }
                let (package, path) = (PackageId(id), file.path.clone());
                changed.push(ChangedFile { package, path, differences, is_config: file.is_config });
            }
        }
        if left_out > 0 {
            let message = format!("{left_out} more files of packages are not as they should be");
            problems.push(Problem::new("limit-package-files", "image", message));
        }
        changed.sort_by(|a, b| (a.package, &a.path).cmp(&(b.package, &b.path)));
        inspection.package_files = Some(changed);
    }
}
