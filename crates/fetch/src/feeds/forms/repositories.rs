//! Repositories of packages: `repodata/repomd.xml` names the file of updates by its checksum.

use killick_model::feed::Each;
use url::Url;

use super::{TEXT_BYTES, name_of, words};
use crate::feeds::error::{FeedError, shown};
use crate::feeds::lists;
use crate::feeds::transfer::{Checksum, Wanted};
use crate::feeds::work::Task;

/// The architecture whose repositories are read: advisories name the builds of all.
const ARCHITECTURE: &str = "x86_64";

pub(super) async fn fetch(
    task: &Task,
    each: Each,
    paths: &'static [&'static str],
    mirrors: Option<&'static str>,
) -> Vec<FeedError> {
    let words = match words(task, each).await {
        Ok(words) => words,
        Err(error) => return vec![error],
    };
    let (mut errors, mut found) = (Vec::new(), 0);
    let is_topic = matches!(each, Each::Topic(_));
    for word in words {
        let (mut here, mut failed) = (0, 0);
        for path in paths {
            match repository(task, &path.replace("{}", &word.text), mirrors).await {
                Ok(is_here) => here += usize::from(is_here),
                Err(error) if (word.is_guess || is_topic) && error.is_forbidden() => {}
                Err(error) => {
                    failed += 1;
                    errors.push(error);
                }
            }
        }
        found += here;
        if word.is_guess && (here == 0 || failed > 0) {
            break;
        }
    }
    if found == 0 && errors.is_empty() && !is_topic {
        errors.extend(task.url("").map(|url| FeedError::Missing { url: shown(&url) }));
    }
    errors
}

/// Fetches the file of updates of a repository. Whether the repository exists.
async fn repository(task: &Task, path: &str, mirrors: Option<&str>) -> Result<bool, FeedError> {
    let Some(root) = root(task, path, mirrors).await? else { return Ok(false) };
    let below = |file: &str| task.given_url(&format!("{}/{file}", root.trim_end_matches('/')));
    let index = below("repodata/repomd.xml")?;
    let Some(document) = task.text(&index, TEXT_BYTES).await? else { return Ok(false) };
    let text = String::from_utf8_lossy(&document);
    if !text.contains("<repomd") {
        return Err(FeedError::Malformed { url: index.to_string(), detail: "it is no `repomd.xml`".to_owned() });
    }
    // Repositories of packages that never had a flaw have no such file.
    let malformed = |detail| FeedError::Malformed { url: index.to_string(), detail };
    let Some((sum, file)) = lists::updateinfo(&text).map_err(malformed)? else { return Ok(true) };
    let folder = task.place(&format!("{path}/repodata/"));
    let wanted = Wanted {
        url: below(&file)?,
        path: format!("{folder}{}", name_of(&file)),
        is_optional: false,
        is_growing: false,
        version: Some(sum.clone()),
        checksum: Some(Checksum::File(sum)),
    };
    task.fetch(&wanted).await?;
    // It names which of several files counts: first the file, then its name, then the others go.
    task.folder().write(&format!("{folder}repomd.xml"), &document)?;
    for old in task.known_below(&folder) {
        if old != wanted.path {
            task.remove(&old)?;
        }
    }
    Ok(true)
}

/// The address of the repository itself; `None` if it does not exist.
async fn root(task: &Task, path: &str, mirrors: Option<&str>) -> Result<Option<String>, FeedError> {
    let Some(list) = mirrors else { return Ok(Some(format!("{}{path}", task.upstream.base))) };
    let list = task.url(&format!("{path}/{list}"))?;
    let Some(text) = task.text(&list, TEXT_BYTES).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&text);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let first = first.replace("$basearch", ARCHITECTURE);
    match Url::parse(&first) {
        Ok(_) => Ok(Some(first)),
        Err(_) => {
            Err(FeedError::Malformed { url: list.to_string(), detail: "its first line is no address".to_owned() })
        }
    }
}
