//! Gems that a `Gemfile.lock` or `gems.locked` asks for.
//!
//! Format: Bundler itself (`lib/bundler/lockfile_parser.rb`): sections `GEM`, `GIT`, `PATH`, `PLUGIN SOURCE`, each with
//! its `specs`, of which those indented by four are gems; the ones below are what they depend on. What is for
//! developers only the `Gemfile` says.

use killick_model::package::PackageKind;

use super::declarations::{Declaration, Declarations, repository};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the gems of Bundler's lock files.
pub(super) struct GemfileLock;

impl Cataloger for GemfileLock {
    fn name(&self) -> &'static str {
        "gemfile-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Gem]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/Gemfile.lock", "**/*.gemfile.lock", "**/gems.locked"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside_gem(file.path.as_bytes()) {
            return;
        }
        let Some(text) = document::text(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Gem, file.path);
        read(&text, &mut packages);
        packages.finish(found);
    }
}

/// Whether the file lies below `gems/NAME-VERSION`: then it tells how that gem is developed.
fn is_inside_gem(path: &[u8]) -> bool {
    let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    parts.windows(2).any(|pair| {
        let version = pair[1].rsplit(|&byte| byte == b'-').next().unwrap_or_default();
        pair[0] == b"gems" && pair[1].contains(&b'-') && version.first().is_some_and(u8::is_ascii_digit)
    })
}

fn read(text: &str, packages: &mut Declarations<'_>) {
    let (mut section, mut remote, mut revision) = ("", "", "");
    for line in text.lines() {
        let line = line.trim_end();
        if !line.starts_with(' ') {
            (section, remote, revision) = (line, "", "");
        } else if let Some(value) = line.strip_prefix("  remote: ") {
            remote = value;
        } else if let Some(value) = line.strip_prefix("  revision: ") {
            revision = value;
        } else if let Some((name, version)) = line.strip_prefix("    ").and_then(gem) {
            let repository = match section {
                "GEM" => None,
                "GIT" => Some(repository("git", remote, revision)),
                // Folders of the project.
                _ => continue,
            };
            let (version, platform) = version.split_once('-').unwrap_or((version, ""));
            let fetched_from = repository.as_deref();
            let is_known = packages.has(name, version);
            let Some(package) = packages.add(Declaration { name, version, fetched_from, is_development: false }) else {
                continue;
            };
            // One version for several platforms is one gem; which of them is installed, the lock file does not say.
            package.architecture = Some(platform.to_owned()).filter(|platform| !platform.is_empty() && !is_known);
        }
    }
}

/// `name (version)`, not indented any further.
fn gem(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(' ')?;
    let version = rest.strip_prefix('(')?.strip_suffix(')')?;
    (!name.is_empty()).then_some((name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_of_gems_are_theirs() {
        for (path, inside) in [
            ("usr/local/bundle/gems/rack-2.0.5/Gemfile.lock", true),
            ("var/lib/gems/3.1.0/gems/a-b-1.rc/x/Gemfile.lock", true),
            ("srv/gems/app/Gemfile.lock", false),
            ("srv/my-gems-1/Gemfile.lock", false),
            ("gems/rack-/Gemfile.lock", false),
        ] {
            assert_eq!(is_inside_gem(path.as_bytes()), inside, "{path}");
        }
    }
}
