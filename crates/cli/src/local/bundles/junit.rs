//! Results of test cases as `JUnit` XML, in the dialect that continuous integration servers read.

use std::fmt::Write as _;

use super::cases::{Outcome, Ran};

/// One test suite.
pub(super) fn document(suite: &str, ran: &[Ran]) -> String {
    let failed = ran.iter().filter(|ran| matches!(ran.outcome, Outcome::Failed(_))).count();
    let broken = ran.iter().filter(|ran| matches!(ran.outcome, Outcome::Broken(_))).count();
    let suite = escape(suite);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{suite}\" tests=\"{}\" \
         failures=\"{failed}\" errors=\"{broken}\" skipped=\"0\">\n",
        ran.len()
    );
    for Ran { file, name, outcome } in ran {
        let (name, file) = (escape(name), escape(file));
        let _ = write!(text, "    <testcase classname=\"{suite}\" name=\"{name}\" file=\"{file}\"");
        let _ = match outcome {
            Outcome::Passed | Outcome::Updated => writeln!(text, "/>"),
            Outcome::Failed(failures) => {
                let first = failures.first().map(|first| escape(first)).unwrap_or_default();
                let all = escape(&failures.join("\n"));
                writeln!(text, ">\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>")
            }
            Outcome::Broken(why) => {
                writeln!(text, ">\n      <error message=\"{}\"/>\n    </testcase>", escape(&why.join("\n")))
            }
        };
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Text and attributes. Characters that XML 1.0 does not have are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_for_machines() {
        let ran = |name: &str, outcome| Ran { file: "a/<b>.yaml".to_owned(), name: name.to_owned(), outcome };
        let failures = vec!["missing: \"x\" & y".to_owned(), "\u{1b}[31m".to_owned()];
        let all = [
            ran("passes", Outcome::Passed),
            ran("fails", Outcome::Failed(failures)),
            ran("broken", Outcome::Broken(vec!["no facts".to_owned()])),
        ];
        insta::assert_snapshot!(document("a & b", &all), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="a &amp; b" tests="3" failures="1" errors="1" skipped="0">
            <testcase classname="a &amp; b" name="passes" file="a/&lt;b&gt;.yaml"/>
            <testcase classname="a &amp; b" name="fails" file="a/&lt;b&gt;.yaml">
              <failure message="missing: &quot;x&quot; &amp; y">missing: &quot;x&quot; &amp; y&#10;�[31m</failure>
            </testcase>
            <testcase classname="a &amp; b" name="broken" file="a/&lt;b&gt;.yaml">
              <error message="no facts"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
