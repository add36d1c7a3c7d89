//! What a trigger works with while it is evaluated: evidence, parameters, and a place for what it finds.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use jiff::Timestamp;
use killick_model::evaluation::{EvaluationProblem, FindingSubject};
use killick_model::file::FileEntry;
use killick_model::inspection::RetrievedFile;
use killick_model::matching::Match;
use killick_model::package::Package;
use md5::{Digest as _, Md5};

use crate::base::Base;
use crate::dockerfile::Instructions;
use crate::evaluate::Compatibility;
use crate::evidence::{Dockerfile, DockerfileMode, Evidence};
use crate::expression::{Budget, Seen};
use crate::files::Files;
use crate::gates::vulnerabilities::trigger_ids;
use crate::order::{self, Order};
use crate::params::Values;
use crate::plan::{Upgrade, without_fix};
use crate::regexes::{PatternError, RegexCache, StartRegex, Steps};
use crate::subject;

/// Why a trigger could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TriggerError {
    /// A regular expression of the rule is unusable.
    #[error("{0}")]
    Pattern(#[from] PatternError),
    /// The evidence does not fit the question.
    #[error("{0}")]
    Unanswerable(String),
}

/// What one trigger reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) trigger_id: String,
    /// Other ids under which an allowlist may excuse it.
    pub(crate) aliases: Vec<String>,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
    /// What it is about; see [`Check::about`].
    pub(crate) subject: FindingSubject,
    /// The upgrade that the remedy is, where it is one.
    pub(crate) upgrade: Option<Upgrade>,
}

/// One rule being evaluated under one profile.
pub(crate) struct Check<'s, 'e> {
    pub(crate) shared: &'s Shared<'e>,
    pub(crate) evidence: &'s Evidence<'e>,
    pub(crate) params: &'s Values,
    pub(crate) compatibility: Compatibility,
    pub(crate) found: Vec<Found>,
    pub(crate) problems: Vec<EvaluationProblem>,
    /// Defects of the original that were repaired on the way: rows of the quirk register.
    pub(crate) repaired: BTreeSet<&'static str>,
    pub(crate) gate: &'static str,
    pub(crate) trigger: &'static str,
    pub(crate) rule_id: Option<&'s str>,
}

impl<'s> Check<'s, '_> {
    /// Reports a finding whose id is the hash of its message.
    pub(crate) fn fire(&mut self, message: String, remedy: impl Into<Option<String>>) {
        let id = message_id(self.gate, self.trigger, &message);
        self.fire_as(id, Vec::new(), message, remedy.into());
    }

    /// Reports a finding with an id of its own.
    pub(crate) fn fire_as(
        &mut self,
        trigger_id: String,
        aliases: Vec<String>,
        message: String,
        remedy: Option<String>,
    ) {
        self.found.push(Found {
            trigger_id,
            aliases,
            message,
            remedy,
            upgrade: None,
            subject: FindingSubject::default(),
        });
    }

    /// Says what the finding that was reported last is about, so that exceptions can select it by that.
    pub(crate) fn about(&mut self, subject: FindingSubject) {
        if let Some(found) = self.found.last_mut() {
            found.subject = subject;
        }
    }

    /// The same, of a file.
    pub(crate) fn about_path(&mut self, path: &impl ToString) {
        self.about(FindingSubject { path: Some(path.to_string()), ..FindingSubject::default() });
    }

    /// The same, of a package.
    pub(crate) fn about_package(&mut self, package: &Package) {
        self.about(self.shared.subject_of(package));
    }

    /// The same, of a file of a package.
    pub(crate) fn about_owned(&mut self, package: &Package, path: &impl ToString) {
        let subject = self.shared.subject_of(package);
        self.about(FindingSubject { path: Some(path.to_string()), ..subject });
    }

    /// The same, of a vulnerability of a package.
    pub(crate) fn about_match(&mut self, found: &Match, package: &Package) {
        self.about(subject::of_match(found, package, self.shared.subject_of(package)));
    }

    /// Reports a vulnerability of a package, whose remedy is an upgrade if there is a fix.
    pub(crate) fn fire_vulnerability(&mut self, found: &Match, package: &Package, message: String) {
        let is_os = package.kind.is_os();
        self.fire_vulnerability_as(trigger_ids(found, package, is_os), found, package, message);
    }

    /// The same with ids of its own.
    pub(crate) fn fire_vulnerability_as(
        &mut self,
        (trigger_id, aliases): (String, Vec<String>),
        found: &Match,
        package: &Package,
        message: String,
    ) {
        let upgrade = Upgrade::of(found, package);
        let remedy =
            Some(upgrade.as_ref().map_or_else(|| without_fix(found, package), |upgrade| upgrade.remedy(package)));
        self.found.push(Found { trigger_id, aliases, message, remedy, upgrade, subject: FindingSubject::default() });
        self.about_match(found, package);
    }

    /// Says that an upgrade clears the finding that was reported last as well as what is its remedy by now.
    pub(crate) fn upgrades(&mut self, upgrade: Option<Upgrade>, package: &Package) {
        let (Some(upgrade), Some(found)) = (upgrade, self.found.last_mut()) else { return };
        let own = found.remedy.take().map(|own| format!(", or {own}")).unwrap_or_default();
        found.remedy = Some(format!("{}{own}", upgrade.remedy(package)));
        found.upgrade = Some(upgrade);
    }

    /// Whole days from an instant to the one that the evaluation speaks for; none if it is of the future.
    pub(crate) fn days_since(&self, then: Timestamp) -> u64 {
        const DAY: u64 = 86_400;
        u64::try_from(self.evidence.now.as_second().saturating_sub(then.as_second())).unwrap_or(0) / DAY
    }

    /// Whether to do the right thing where the original has a defect. Ask only where it makes a difference.
    pub(crate) fn repair(&mut self, quirk: &'static str) -> bool {
        if self.compatibility == Compatibility::Engine11 {
            return false;
        }
        self.repaired.insert(quirk);
        true
    }

    /// Notes something the reader of the evaluation must know.
    pub(crate) fn warn(&mut self, problem_type: &str, details: String) {
        let problem = EvaluationProblem { severity: "warn".to_owned(), problem_type: problem_type.to_owned(), details };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Says that the rule could not see what it asks about, because nobody looked for it. The original is silent.
    pub(crate) fn warn_unseen(&mut self, what: &str) {
        if self.compatibility == Compatibility::Repaired {
            self.warn("EvidenceWarning", format!("{}.{}: {what}", self.gate, self.trigger));
        }
    }

    /// The regular expression of a parameter, if the parameter is given.
    pub(crate) fn regex(&self, parameter: &str) -> Result<Option<Tried<'s>>, PatternError> {
        let Some(pattern) = self.params.text(parameter) else { return Ok(None) };
        let regex = self.shared.regexes.get(pattern)?;
        Ok(Some(Tried { regex, steps: self.shared.steps }))
    }
}

/// The regular expression of a rule, with the steps that the evaluation has left.
pub(crate) struct Tried<'s> {
    regex: StartRegex,
    steps: &'s Steps,
}

impl Tried<'_> {
    /// Whether it matches at the start of `text`.
    pub(crate) fn is_match(&self, text: &str) -> Result<bool, PatternError> {
        self.regex.is_match_within(text, self.steps)
    }
}

impl fmt::Display for Tried<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.regex.fmt(out)
    }
}

/// The id of a finding that has none of its own: MD5 of gate, trigger and message, without separators.
pub(crate) fn message_id(gate: &str, trigger: &str, message: &str) -> String {
    let mut hash = Md5::new();
    hash.update(gate);
    hash.update(trigger);
    hash.update(message);
    hex::encode(hash.finalize())
}

/// What triggers of one evaluation derive from the evidence, once.
pub(crate) struct Shared<'e> {
    evidence: &'e Evidence<'e>,
    regexes: &'e RegexCache,
    /// Steps that patterns may still take.
    pub(crate) steps: &'e Steps,
    packages: OnceCell<Vec<&'e Package>>,
    matches: OnceCell<Vec<usize>>,
    files: OnceCell<Files<'e>>,
    repaired_dockerfile: OnceCell<Instructions>,
    original_dockerfile: OnceCell<Instructions>,
    base: OnceCell<Base>,
    /// What is said of packages, by their places: many findings are about the same, and package URLs take long.
    subjects: RefCell<HashMap<usize, FindingSubject>>,
    order: Order,
    /// Steps that expressions may still take.
    pub(crate) budget: Cell<Budget>,
}

impl<'e> Shared<'e> {
    pub(crate) fn new(evidence: &'e Evidence<'e>, regexes: &'e RegexCache, steps: &'e Steps) -> Self {
        Self {
            evidence,
            regexes,
            steps,
            packages: OnceCell::new(),
            matches: OnceCell::new(),
            files: OnceCell::new(),
            repaired_dockerfile: OnceCell::new(),
            original_dockerfile: OnceCell::new(),
            base: OnceCell::new(),
            subjects: RefCell::default(),
            order: Order::default(),
            budget: Cell::new(Budget::new()),
        }
    }

    /// Packages that count, as [`order::compare_by_name`] has them.
    pub(crate) fn packages(&self) -> &[&'e Package] {
        self.packages.get_or_init(|| {
            let all = self.evidence.analysis.packages.iter();
            let mut packages: Vec<_> = all.filter(|package| self.evidence.counts(package)).collect();
            packages.sort_by(|one, other| order::compare_by_name(one, other));
            packages
        })
    }

    /// What findings say of a package.
    fn subject_of(&self, package: &Package) -> FindingSubject {
        let analysis = self.evidence.analysis;
        // By its place in memory: looking for it would cost as many steps as there are.
        let offset = std::ptr::from_ref(package).addr().checked_sub(analysis.packages.as_ptr().addr());
        let at = offset.and_then(|offset| offset.checked_div(size_of::<Package>()));
        let is_it = |at: &usize| analysis.packages.get(*at).is_some_and(|known| std::ptr::eq(known, package));
        let Some(at) = at.filter(is_it) else { return subject::of_package(package, analysis) };
        let mut subjects = self.subjects.borrow_mut();
        subjects.entry(at).or_insert_with(|| subject::of_package(package, analysis)).clone()
    }

    /// Positions of the matches, by vulnerability and package; those of packages that do not count are left out.
    pub(crate) fn matches(&self) -> &[usize] {
        self.matches.get_or_init(|| {
            let package = |found: &Match| {
                let package = self.evidence.analysis.packages.get(found.package.0 as usize)?;
                self.evidence.counts(package).then_some(package)
            };
            let all = self.evidence.matches.matches.iter().enumerate();
            let mut order: Vec<_> = all.filter_map(|(at, found)| Some((at, found, package(found)?))).collect();
            order.sort_by(|(_, one, one_package), (_, other, other_package)| {
                one.vulnerability
                    .cmp(&other.vulnerability)
                    .then_with(|| order::compare_by_name(one_package, other_package))
            });
            order.into_iter().map(|(at, ..)| at).collect()
        })
    }

    /// Files of the image, by path.
    pub(crate) fn files(&self) -> &[&'e FileEntry] {
        self.ordered().entries()
    }

    /// Those of the `wanted` files whose path, as rules write it, a pattern matches.
    pub(crate) fn files_matching(
        &self,
        pattern: &Tried<'_>,
        wanted: impl Fn(&FileEntry) -> bool,
    ) -> Result<Vec<(&'e FileEntry, &str)>, PatternError> {
        self.ordered().matching(&pattern.regex, pattern.steps, wanted)
    }

    fn ordered(&self) -> &Files<'e> {
        self.files.get_or_init(|| Files::of(self.evidence.analysis.files.iter().collect()))
    }

    /// The files that were kept whole; none if none were asked for.
    pub(crate) fn retrieved(&self) -> &'e [RetrievedFile] {
        self.evidence.analysis.inspection.retrieved_files.as_deref().unwrap_or_default()
    }

    /// The kept file at `path`, written as rules write it, with the leading `/`.
    pub(crate) fn retrieved_file(&self, path: &str) -> Option<&'e RetrievedFile> {
        self.retrieved().iter().find(|file| file.path.to_string() == path)
    }

    /// Where the Dockerfile comes from.
    pub(crate) fn dockerfile_mode(&self) -> DockerfileMode {
        self.evidence.dockerfile.map_or(DockerfileMode::Guessed, |dockerfile| dockerfile.mode)
    }

    /// What expressions see.
    pub(crate) const fn seen(&self) -> Seen<'_> {
        Seen { evidence: self.evidence, order: &self.order }
    }

    /// What the image is built on.
    pub(crate) fn base(&self) -> &Base {
        self.base.get_or_init(|| {
            let supplied = self.dockerfile_mode() == DockerfileMode::Actual;
            let dockerfile = supplied.then(|| self.dockerfile(Compatibility::Repaired));
            Base::of(dockerfile, &self.evidence.analysis.config)
        })
    }

    /// The instructions of the Dockerfile, read as the original reads them or as Docker does.
    pub(crate) fn dockerfile(&self, compatibility: Compatibility) -> &Instructions {
        let cell = match compatibility {
            Compatibility::Repaired => &self.repaired_dockerfile,
            Compatibility::Engine11 => &self.original_dockerfile,
        };
        cell.get_or_init(|| match self.evidence.dockerfile {
            Some(Dockerfile { text, .. }) => Instructions::parse(text, compatibility),
            None => Instructions::guess(&self.evidence.analysis.config, compatibility),
        })
    }
}
