//! Ruby gems: the `*.gemspec` files of `specifications` folders, and those that Bundler writes into the repositories it
//! checks out.
//!
//! Format: RubyGems guides, "Specification Reference". A gemspec is Ruby code, but those that `gem install` writes
//! are generated: one `receiver.field = literal` a line, which is all that is read. Nothing is evaluated.

use std::sync::LazyLock;

use killick_model::package::{OwnedFile, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use regex::Regex;

use super::{Cataloger, Found, WantedFile, Wants, package};

/// Finds gems.
pub(super) struct Gem;

/// Entries of one list; the largest real ones have some ten thousand files.
const ITEMS: usize = 200_000;

impl Cataloger for Gem {
    fn name(&self) -> &'static str {
        "gem"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Gem]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/specifications/**/*.gemspec", "**/bundler/gems/*/*.gemspec"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let text = String::from_utf8_lossy(file.bytes);
        let fields = Fields { text: &text };
        let stub = || stub(&text);
        let name = fields.one("name").or_else(|| Some(stub()?.0));
        let version = fields.one("version").or_else(|| Some(stub()?.1));
        let (Some(name), Some(version)) = (name, version) else {
            let message = "a gemspec without literal name and version";
            found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            return;
        };
        let mut package = package(PackageKind::Gem, &name, &version, file.path);
        let licenses = fields.all("licenses");
        package.architecture = fields.one("platform").filter(|platform| platform != "ruby");
        package.licenses = if licenses.is_empty() { fields.one("license").into_iter().collect() } else { licenses };
        let authors = fields.all("authors");
        let authors = if authors.is_empty() { fields.all("author") } else { authors };
        package.origin = (!authors.is_empty()).then(|| authors.join(","));
        package.files = files(file.path, &name, &version, &fields);
        found.packages.push(package);
    }
}

/// Name and version of the line `# stub: name version platform paths`, which RubyGems writes so that it need not
/// evaluate the rest.
fn stub(text: &str) -> Option<(String, String)> {
    let mut words = text.lines().take(5).find_map(|line| line.strip_prefix("# stub: "))?.split(' ');
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// The assignments of a gemspec.
struct Fields<'a> {
    text: &'a str,
}

impl Fields<'_> {
    /// The value assigned to `field`, up to the end of the line or, for a list, up to its bracket.
    fn value(&self, field: &str) -> Option<&str> {
        static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?m)^[ \t]*[A-Za-z_][A-Za-z0-9_]*\.([a-z_]+)[ \t]*=[ \t]*").expect("the pattern is right")
        });
        let found = ASSIGNMENT.captures_iter(self.text).find(|captures| &captures[1] == field)?;
        let rest = &self.text[found.get(0)?.end()..];
        let end = if rest.starts_with(['[', '%']) {
            // A list that is never closed ends where the next field begins.
            let next = ASSIGNMENT.find(rest).map_or(rest.len(), |next| next.start());
            rest[..next].find(']').map_or(next, |at| at + 1)
        } else {
            rest.find('\n').unwrap_or(rest.len())
        };
        Some(&rest[..end])
    }

    fn one(&self, field: &str) -> Option<String> {
        self.all(field).into_iter().next()
    }

    /// The string literals of the value: `"a".freeze`, `['a', "b"]`, `%w[a b]`, `Gem::Version.new("1")`.
    fn all(&self, field: &str) -> Vec<String> {
        static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#""((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'"#).expect("the pattern is right")
        });
        let Some(value) = self.value(field) else { return Vec::new() };
        if let Some(words) = value.strip_prefix("%w[").and_then(|rest| rest.strip_suffix(']')) {
            return words.split_whitespace().take(ITEMS).map(str::to_owned).collect();
        }
        let unescape = |text: &str| text.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
        let literal =
            |captures: regex::Captures<'_>| captures.get(1).or(captures.get(2)).map(|text| unescape(text.as_str()));
        let literals = LITERAL.captures_iter(value).filter_map(literal);
        literals.filter(|text| !text.is_empty()).take(ITEMS).collect()
    }
}

/// Files are relative to `gems/<name>-<version>` beside `specifications`; compiled gems add their platform. A gemspec in
/// a checked out repository lies with its files.
fn files(spec: &ImagePath, name: &str, version: &str, fields: &Fields<'_>) -> Vec<OwnedFile> {
    let text = spec.as_bytes();
    let needle = b"specifications/";
    let folder = text.windows(needle.len()).rposition(|window| window == needle);
    let platform = fields.one("platform").filter(|platform| platform != "ruby");
    let platform = platform.map(|platform| format!("-{platform}")).unwrap_or_default();
    let base = match folder {
        Some(at) => [&text[..at], format!("gems/{name}-{version}{platform}").as_bytes()].concat(),
        None => spec.parent().unwrap_or_default().to_owned(),
    };
    let Some(base) = ImagePath::new(&base) else { return Vec::new() };
    let owned = |path: &String| {
        Some(OwnedFile { path: base.join(path.as_bytes())?, digest: None, mode: None, size: None, is_config: false })
    };
    fields.all("files").iter().filter_map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_in_all_their_forms() {
        let text = r#"
Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = Gem::Version.new("2.0.5")
  s.authors = ["A \"B\" C".freeze, 'D']
  s.files = %w[a b]
  s.license = 'MIT'
end
"#;
        let fields = Fields { text };
        assert_eq!(fields.one("name").as_deref(), Some("rack"));
        assert_eq!(fields.one("version").as_deref(), Some("2.0.5"));
        assert_eq!(fields.all("authors"), ["A \"B\" C", "D"]);
        assert_eq!(fields.all("files"), ["a", "b"]);
        assert_eq!(fields.one("license").as_deref(), Some("MIT"));
        assert_eq!(fields.all("missing"), [""; 0]);
    }
}
