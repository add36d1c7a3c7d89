//! Links between the pages of this repository lead somewhere.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Adds what is wrong with the links of all Markdown pages below `root`.
pub(crate) fn check(root: &Path, faults: &mut Vec<String>) -> Result<(), String> {
    let mut pages = Vec::new();
    find(root, &mut pages)?;
    for page in pages {
        let text = read(&page)?;
        for (line, target) in links(&text) {
            let is_elsewhere = target.split(['/', '#']).next().is_some_and(|scheme| scheme.contains(':'));
            if is_elsewhere || target.is_empty() {
                continue;
            }
            let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let there = if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            let shown = page.display();
            if !there.exists() {
                faults.push(format!("{shown}:{line}: `{target}` does not exist"));
            } else if let Some(anchor) = anchor.filter(|_| there.extension().is_some_and(|extension| extension == "md"))
                && !anchors(&read(&there)?).iter().any(|known| known == anchor)
            {
                faults.push(format!("{shown}:{line}: `{}` has no heading `#{anchor}`", there.display()));
            }
        }
    }
    Ok(())
}

fn read(page: &Path) -> Result<String, String> {
    std::fs::read_to_string(page).map_err(|error| format!("cannot read `{}`: {error}", page.display()))
}

fn find(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot list `{}`: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Pages of others lie in cases and in what was built.
        let is_ours = !["testdata", "target", "corpus", "node_modules"].contains(&&*name) && !name.starts_with('.');
        if path.is_dir() && !path.is_symlink() && is_ours {
            find(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    Ok(())
}

/// Lines of prose: nothing of blocks, and nothing between backticks.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut in_block = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            return None;
        }
        (!in_block).then(|| (number, line.split('`').step_by(2).collect::<Vec<_>>().join("``")))
    })
}

/// What `[…](…)` leads to, by line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let written: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for part in line.split("](").skip(1) {
            let Some(target) = part.split([')', ' ']).next() else { continue };
            // The text as it is written lives longer.
            let start = written[number - 1].find(&format!("]({target}")).map(|at| at + 2);
            found.extend(start.and_then(|at| Some((number, written[number - 1].get(at..at + target.len())?))));
        }
    }
    found
}

/// Names of headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), HashMap::<String, usize>::new());
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        let title = line.trim_start_matches('#');
        if in_block || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let name: String = title
            .trim()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
            .flat_map(char::to_lowercase)
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let count = seen.entry(name.clone()).or_default();
        found.push(if *count == 0 { name } else { format!("{name}-{count}") });
        *count += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{anchors, links};

    #[test]
    fn links_and_headings_are_found() {
        let text =
            "# A *b*, `c-d`\nsee [x](y.md#z) and [`q`](r.md), `[no](no.md)`\n```\n# no\n[n](o)\n```\n## A\n## A\n";
        assert_eq!(links(text), [(2, "y.md#z"), (2, "r.md")]);
        assert_eq!(anchors(text), ["a-b-c-d", "a", "a-1"]);
    }
}
