//! What to look for in the contents of files, besides packages.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use killick_analysis::clamd::{Address, ClamdSettings};
use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{
    HashList, MalwareSettings, Pattern, RetrieveFiles, SecretSettings, Settings,
};
use killick_model::path::ImagePath;
use killick_policy::Needs;

use crate::report_error::hinted;

/// What inspectors look for. Without any of these, nothing: each costs time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Inspection options")]
pub(crate) struct InspectionArgs {
    /// Look for keys, tokens and passwords, in files that upper layers deleted too
    #[arg(long)]
    secrets: bool,
    /// Look for malware: let the clamd at this socket (`unix:/path`, `tcp:host:port`) see every file
    #[arg(long, value_name = "SOCKET", env = "KILLICK_CLAMD")]
    clamd: Option<Address>,
    /// Look for files whose digest is in this list (one per line, also .hdb and .hsb of `ClamAV`); may be repeated
    #[arg(long, value_name = "FILE")]
    hash_list: Vec<PathBuf>,
    /// Tell licences: declared ones as SPDX expressions, and those of licence files by their text
    #[arg(long)]
    licenses: bool,
    /// Compare the files of distribution packages with what their databases say of them
    #[arg(long)]
    verify_packages: bool,
    /// Keep this file of the image in the result; may be repeated
    #[arg(long, value_name = "PATH")]
    retrieve: Vec<String>,
    /// Look for a regular expression at the beginning of each line (`.*` for anywhere); may be repeated
    #[arg(long, value_name = "NAME=REGEX")]
    search: Vec<Search>,
}

/// `NAME=REGEX`.
#[derive(Debug, Clone)]
struct Search(Pattern);

impl FromStr for Search {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, regex) = text.split_once('=').ok_or("expected NAME=REGEX")?;
        Ok(Self(Pattern { name: name.to_owned(), regex: regex.to_owned() }))
    }
}

/// Compiles what was asked for, and what the rules of a policy look at.
pub(super) fn compile(args: &InspectionArgs, needs: Option<&Needs>) -> anyhow::Result<Arc<Inspections>> {
    let none = Needs::default();
    let needs = needs.unwrap_or(&none);
    let mut paths = args.retrieve.clone();
    // A rule may name what is no path of a file; it finds nothing then.
    let is_path = |path: &&String| ImagePath::new(path.as_bytes()).is_some_and(|path| !path.file_name().is_empty());
    let of_rules = needs.retrieved_files.iter().filter(is_path);
    paths.extend(of_rules.filter(|path| !args.retrieve.contains(path)).cloned());
    let hash_list = |path: &PathBuf| {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(HashList { name, text: fs_err::read_to_string(path)? })
    };
    let hash_lists = args.hash_list.iter().map(hash_list).collect::<anyhow::Result<_>>()?;
    let mut content_search: Vec<Pattern> = args.search.iter().map(|search| search.0.clone()).collect();
    // A rule names a pattern by its name or its text. What names none of those given is searched for as it is.
    let is_given = |text: &String| args.search.iter().any(|search| [&search.0.name, &search.0.regex].contains(&text));
    let of_rules = needs.content_search.iter().filter(|text| !is_given(text));
    content_search.extend(of_rules.map(|text| Pattern { name: String::new(), regex: text.clone() }));
    let settings = Settings {
        licenses: args.licenses,
        malware: MalwareSettings { clamd: args.clamd.clone().map(ClamdSettings::new), hash_lists },
        secrets: SecretSettings { enabled: args.secrets || needs.secrets, ..SecretSettings::default() },
        package_files: args.verify_packages || needs.package_files,
        retrieve_files: RetrieveFiles { paths, ..RetrieveFiles::default() },
        content_search,
    };
    Inspections::new(settings).map(Arc::new).map_err(hinted)
}
