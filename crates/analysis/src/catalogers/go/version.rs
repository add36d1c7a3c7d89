//! The version of a main module that has none of its own, from the settings of the build.
//!
//! Makefiles and the like let the linker set a variable (`-ldflags "-X main.version=1.2.3"`). Since Go 1.18 the revision
//! and its time are recorded; of that the toolchain makes a pseudo-version (Go Modules Reference, "Pseudo-versions"),
//! since Go 1.24 by itself. Which version the revision comes after, nothing tells.

/// Names of variables that hold a version, best first.
const NAMES: &[&str] =
    &["version", "gitversion", "buildversion", "appversion", "releaseversion", "semver", "tag", "gittag", "buildtag"];

/// Words in paths of packages that are for such variables, of whatever module.
const PLACES: &[&str] = &["version", "build", "info", "meta", "constants"];

/// Bytes of a version.
const VERSION_BYTES: usize = 100;

/// A version and where it is from.
pub(super) type Told = (String, String);

/// The version that the settings tell; `settings` are those of the build, `module` the main module and `main` its main
/// package.
pub(super) fn of_settings(settings: &[(String, String)], module: &str, main: &str) -> Option<Told> {
    let setting = |name: &str| settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let of_flags = setting("-ldflags").and_then(|flags| of_linker_flags(flags, module, main));
    of_flags.or_else(|| {
        let (revision, time) = (setting("vcs.revision")?, setting("vcs.time")?);
        let version = pseudo_version(revision, time, module)?;
        let is_modified = setting("vcs.modified") == Some("true");
        Some((if is_modified { format!("{version}+dirty") } else { version }, "vcs.revision".to_owned()))
    })
}

fn of_linker_flags(flags: &str, module: &str, main: &str) -> Option<Told> {
    let words = words(flags);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or_default();
        let definition = match word {
            "X" => words.get(at + 1).map(String::as_str),
            _ => word.strip_prefix("X="),
        };
        let Some((variable, value)) = definition.and_then(|definition| definition.split_once('=')) else { continue };
        let Some((package, name)) = variable.rsplit_once('.') else { continue };
        let name = name.to_ascii_lowercase().replace('_', "");
        let Some(rank) = NAMES.iter().position(|known| *known == name) else { continue };
        let is_below =
            |path: &str| package.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let folder = package.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let place = match () {
            () if package == "main" || package == main => 0,
            () if is_below(module) => 1,
            () if PLACES.iter().any(|word| folder.contains(word)) => 2,
            () => continue,
        };
        if let Some(version) = version(value) {
            found.push(((place, rank), version, format!("-X {variable}")));
        }
    }
    found.sort();
    let (best, version, variable) = found.first()?;
    // Two versions that are as good as each other tell nothing.
    let is_clear = found.iter().filter(|(rank, ..)| rank == best).all(|(_, other, _)| other == version);
    is_clear.then(|| (version.clone(), variable.clone()))
}

/// The words of a list of flags, as the go command splits it: at blanks, except in quotes.
fn words(flags: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in flags.chars() {
        match (character, quote) {
            (_, Some(open)) if character == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// A value as a version of a module, if it is one: `1.2.3` and `release/1.2.3` are `v1.2.3`.
fn version(value: &str) -> Option<String> {
    let value = value.trim();
    let value = value.rsplit('/').next().unwrap_or(value);
    let value = value.strip_prefix(['v', 'V']).unwrap_or(value);
    let end = value.find(|next: char| !(next.is_ascii_alphanumeric() || matches!(next, '.' | '-' | '+')));
    if end.is_some() || value.len() > VERSION_BYTES {
        return None;
    }
    let release = value.split(['-', '+']).next()?;
    let numbers: Vec<&str> = release.split('.').collect();
    let are_numbers =
        numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    (numbers.len() == 3 && are_numbers && release != "0.0.0").then(|| format!("v{value}"))
}

/// The pseudo-version of a revision that comes after no version.
fn pseudo_version(revision: &str, time: &str, module: &str) -> Option<String> {
    let commit = revision.get(..12).filter(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    // RFC 3339 in UTC, as the toolchain writes it.
    let time = time.strip_suffix('Z')?.get(..19)?;
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    let last = module.rsplit(['/', '.']).next().unwrap_or_default();
    let major = last.strip_prefix('v').and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    (digits.len() == 14).then(|| format!("v{major}.0.0-{digits}-{commit}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_told_by_flags_of_the_linker() {
        let told = |flags: &str| of_linker_flags(flags, "example.org/app", "example.org/app/cmd/app");
        for (flags, want) in [
            ("-s -w -X main.version=1.2.3 -X main.commit=abc", Some(("v1.2.3", "-X main.version"))),
            ("-X=main.Version=v1.2.3-rc.1", Some(("v1.2.3-rc.1", "-X main.Version"))),
            ("-X 'main.version=v1.2.3' -X \"main.date=a b\"", Some(("v1.2.3", "-X main.version"))),
            (
                "-X example.org/app/internal/v.gitVersion=release/1.20.0",
                Some(("v1.20.0", "-X example.org/app/internal/v.gitVersion")),
            ),
            (
                "-X k8s.io/component-base/version.gitVersion=v1.28.3",
                Some(("v1.28.3", "-X k8s.io/component-base/version.gitVersion")),
            ),
            ("-X example.org/other.Version=1.2.3", None),
            ("-X main.version=dev", None),
            ("-X main.version=abcdef0", None),
            ("-X main.version=0.0.0", None),
            ("-X main.version=1.2", None),
            ("-X main.version=1.2.3.4", None),
            ("-X main.goVersion=1.2.3", None),
            ("-X main.version=1.2.3 -X example.org/app.Version=9.9.9", Some(("v1.2.3", "-X main.version"))),
            ("-X main.version=1.2.3 -X example.org/app/cmd/app.version=9.9.9", None),
            ("-X", None),
            ("-X main.version", None),
            ("", None),
        ] {
            let found = told(flags);
            assert_eq!(found.as_ref().map(|(version, from)| (version.as_str(), from.as_str())), want, "{flags}");
        }
    }

    #[test]
    fn revisions_make_pseudo_versions() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (revision, time, module, want) in [
            (commit, "2023-04-05T06:07:08Z", "example.org/a", Some("v0.0.0-20230405060708-0123456789ab")),
            (commit, "2023-04-05T06:07:08Z", "example.org/a/v3", Some("v3.0.0-20230405060708-0123456789ab")),
            (commit, "2023-04-05T06:07:08Z", "gopkg.in/a.v2", Some("v2.0.0-20230405060708-0123456789ab")),
            (commit, "2023-04-05T06:07:08+02:00", "example.org/a", None),
            (commit, "yesterdayZ", "example.org/a", None),
            ("0123", "2023-04-05T06:07:08Z", "example.org/a", None),
            ("not a revision", "2023-04-05T06:07:08Z", "example.org/a", None),
        ] {
            assert_eq!(pseudo_version(revision, time, module).as_deref(), want, "{revision} {time} {module}");
        }
    }

    proptest! {
        #[test]
        fn no_flags_make_it_panic(flags in "[-X =a-z.0-9'\"/é]{0,60}") {
            let _ = of_linker_flags(&flags, "a", "a/b");
        }
    }
}
