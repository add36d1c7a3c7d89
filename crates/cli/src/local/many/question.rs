//! Which reports of a folder answer what is asked now.
//!
//! A report does not tell all that it follows from. So a ledger beside the reports has a line for each: the digest of the
//! question, that of the report that answered it last, and its name. A report that is other than the ledger says, because a run
//! was killed between the two or somebody wrote it, answers nothing.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;
use serde_json::json;

use crate::local::check::Judge;
use crate::local::decisions::Decisions;
use crate::local::image::readers_of;
use crate::local::output::{self, Document};
use crate::local::scan::Scan;

/// The ledger, in the folder of the reports.
const LEDGER: &str = ".answered";

/// Bytes of the ledger that are looked at.
const MAX_LEDGER_BYTES: u64 = 64 << 20;

/// A folder of reports.
pub(super) struct Answered {
    folder: PathBuf,
    question: String,
    /// What each report is, by its name: the question that it answers, and its own digest.
    reports: BTreeMap<String, (String, String)>,
}

impl Answered {
    /// Makes the folder if it is missing.
    pub(super) fn open(folder: &Path, args: &Scan, judge: &Judge) -> anyhow::Result<Self> {
        fs_err::create_dir_all(folder)?;
        let mut reports = BTreeMap::new();
        for line in ledger(&folder.join(LEDGER))?.lines() {
            // A line may have been cut off: it names no report then.
            if let [question, digest, name] = line.splitn(3, ' ').collect::<Vec<_>>().as_slice() {
                reports.insert((*name).to_owned(), ((*question).to_owned(), (*digest).to_owned()));
            }
        }
        Ok(Self { folder: folder.to_owned(), question: question(args, judge)?, reports })
    }

    /// The report of this name, if it answers the question.
    pub(super) fn report(&self, name: &str) -> Option<PathBuf> {
        let (question, digest) = self.reports.get(name)?;
        let file = self.folder.join(name);
        let answers = *question == self.question && digest_of(&file).is_ok_and(|found| found == *digest);
        answers.then_some(file)
    }

    /// Writes a report: beside its place first, so that one that is there is whole.
    pub(super) fn keep(&self, name: &str, document: &Document<'_>) -> anyhow::Result<()> {
        let file = self.folder.join(name);
        let beside = file.with_extension("json.part");
        let mut out = BufWriter::new(fs_err::File::create(&beside)?);
        output::write_json(document, &mut out)?;
        out.flush()?;
        let digest = digest_of(&beside)?;
        fs_err::rename(&beside, &file)?;
        let mut ledger = fs_err::OpenOptions::new().create(true).append(true).open(self.folder.join(LEDGER))?;
        // In one piece, as others write too; from the beginning of a line, whatever an interrupted run left there.
        ledger.write_all(format!("\n{} {digest} {name}\n", self.question).as_bytes())?;
        Ok(())
    }
}

fn digest_of(report: &Path) -> anyhow::Result<String> {
    Ok(Digest::of(&fs_err::read(report)?).hex())
}

fn ledger(path: &Path) -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    match fs_err::File::open(path) {
        Ok(file) => file.take(MAX_LEDGER_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All that a report follows from, besides the image and the hour, as a digest. What refuses an image is asked of the
/// report.
fn question(args: &Scan, judge: &Judge) -> anyhow::Result<String> {
    let of_file = |path: &Option<PathBuf>| -> anyhow::Result<Option<Digest>> {
        path.as_ref().map(|path| Ok(Digest::of(&fs_err::read(path)?))).transpose()
    };
    let decisions = Decisions::of(&args.decisions, "", judge.now())?;
    let question = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "index": judge.index().digest().map_err(crate::report_error::hinted)?,
        "readers": readers_of(args.reading.analysis_limits(), judge.inspections()),
        "images": args.reading.wanted(),
        "policy": of_file(&args.policy)?,
        "compatibility": args.judging.compatibility.to_string(),
        "exceptions": of_file(&args.judging.exceptions.exceptions)?,
        "exceptions_notice": args.judging.exceptions.exceptions_notice,
        "decisions": decisions.settings,
        "vex": decisions.given,
    });
    Ok(Digest::of(question.to_string().as_bytes()).hex())
}
