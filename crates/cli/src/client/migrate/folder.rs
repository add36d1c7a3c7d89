//! What `anchore-cli --json` printed into a folder, with bundles and archived analyses beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::super::Failure;
use super::items::{Account, Export, Kind, found_out_anew};

/// Bytes of a document that is read.
const MAX_BYTES: u64 = 256 << 20;
/// Most files of a folder.
const MAX_FILES: usize = 100_000;

/// Reads a folder; the folders in it are accounts.
pub(super) fn read(folder: &Path) -> Result<Export, Failure> {
    let entries = |folder: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(folder)? {
            paths.push(entry?.path());
            anyhow::ensure!(paths.len() <= MAX_FILES, "`{}` has more than {MAX_FILES} files", folder.display());
        }
        paths.sort();
        Ok(paths)
    };
    let failed = |error: anyhow::Error| Failure::local(format!("{error:#}"));
    let mut export = Export::default();
    let mut own = Account::default();
    // Accounts are told in files of the folder itself.
    let mut told: Vec<Value> = Vec::new();
    for path in entries(folder).map_err(failed)? {
        if !path.is_dir() {
            take(&path, &mut own, Some(&mut told), &mut export);
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let mut account = Account { name: Some(name), items: Vec::new() };
        for path in entries(&path).map_err(failed)? {
            take(&path, &mut account, None, &mut export);
        }
        export.accounts.push(account);
    }
    let nothing = export.unread.is_empty() && export.not_brought.is_empty() && export.accounts.is_empty();
    if nothing && own.items.is_empty() && told.is_empty() {
        let message = format!("`{}` is empty", folder.display());
        return Err(Failure::local(message).hinting(
            "put into it what `anchore-cli --json registry list`, `policy get ID --detail`, `subscription list`, `image list` \
             and the like print, each in a file `.json`",
        ));
    }
    for record in told {
        let Some(name) = record["name"].as_str() else { continue };
        if record["type"] == "service" || record["type"] == "admin" || record["state"] == "deleting" {
            continue;
        }
        if !export.accounts.iter().any(|account| account.name.as_deref() == Some(name)) {
            export.accounts.push(Account { name: Some(name.to_owned()), items: Vec::new() });
        }
        for account in export.accounts.iter_mut().filter(|account| account.name.as_deref() == Some(name)) {
            account.add(Kind::Account, name, record.clone());
        }
    }
    // An account that nobody told of is one by its folder.
    for account in &mut export.accounts {
        let name = account.name.clone().unwrap_or_default();
        if name != "admin" && !account.items.iter().any(|item| item.kind == Kind::Account) {
            account.add(Kind::Account, &name, serde_json::json!({"name": name, "state": "enabled"}));
        }
    }
    export.accounts.insert(0, own);
    Ok(export)
}

/// Takes what a file has.
fn take(path: &Path, account: &mut Account, told: Option<&mut Vec<Value>>, export: &mut Export) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ends_with = |endings: &[&str]| endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    if ends_with(&[".tar.gz", ".tgz", ".tar"]) {
        account.add_document(name, path.to_owned());
        return;
    }
    let mut fail = |why: String| export.unread.push((path.display().to_string(), why));
    if path.is_dir() {
        return fail("it is a folder in the folder of an account".to_owned());
    }
    if !ends_with(&[".json"]) {
        return fail("it is neither JSON nor a document of the archive (`.tar.gz`)".to_owned());
    }
    let document = match document(path) {
        Ok(document) => document,
        Err(error) => return fail(format!("{error:#}")),
    };
    if let Some(why) = found_out_anew(document.get(0).unwrap_or(&document)) {
        export.not_brought.push((path.display().to_string(), why.to_owned()));
        return;
    }
    let mut strangers = 0;
    let is_account = |record: &Value| record.get("name").is_some() && record.get("state").is_some();
    let records = match &document {
        Value::Array(records) => records.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut accounts = Vec::new();
    for record in records {
        if is_account(record) && told.is_some() {
            accounts.push(record.clone());
        } else if !account.take(record) {
            strangers += 1;
        }
    }
    if let Some(told) = told {
        told.extend(accounts);
    }
    if strangers > 0 {
        fail(format!("{strangers} of its {} records are nothing that is known", records.len()));
    }
}

fn document(path: &Path) -> anyhow::Result<Value> {
    use std::io::Read as _;
    let mut text = String::new();
    fs_err::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    anyhow::ensure!(text.len() as u64 <= MAX_BYTES, "it is larger than {MAX_BYTES} bytes");
    serde_json::from_str(&text).context("it is not JSON")
}
