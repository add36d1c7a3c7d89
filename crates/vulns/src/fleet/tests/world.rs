//! Made-up sources and images, and changes of them.

use super::*;

/// Choices that a number makes.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `sides`.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Provider, namespace, ecosystem, version order and level of the sources there may be.
pub(super) const SOURCES: &[(&str, &str, &str, Scheme, Level)] = &[
    ("anchore", "debian:12", "debian:12", Scheme::Dpkg, Level::Any),
    ("debian", "debian:12", "debian:12", Scheme::Dpkg, Level::Source),
    ("debian", "debian:13", "debian:13", Scheme::Dpkg, Level::Source),
    ("epss", "epss", "", Scheme::Generic, Level::Any),
    ("ghsa", "PyPI", "PyPI", Scheme::Pep440, Level::Module),
    ("kev", "kev", "", Scheme::Generic, Level::Any),
    ("nvd", "cpe", "cpe", Scheme::Generic, Level::Cpe),
    ("osv", "Go", "Go", Scheme::Go, Level::Module),
    ("osv", "Hex", "Hex", Scheme::Hex, Level::Module),
    ("osv", "Maven", "Maven", Scheme::Maven, Level::Module),
    ("osv", "PyPI", "PyPI", Scheme::Pep440, Level::Module),
    ("osv", "debian:12", "debian:12", Scheme::Dpkg, Level::Source),
    ("osv", "npm", "npm", Scheme::Semver, Level::Module),
    ("rhel", "rhel:9", "rhel:9", Scheme::Rpm, Level::Binary),
    ("rhel", "rhel:9.4", "rhel:9.4", Scheme::Rpm, Level::Binary),
];

pub(super) const NAMES: &[&str] = &["alpha", "beta", "gamma", "delta"];
pub(super) const VERSIONS: &[&str] = &["1.0", "1.1", "1.2", "2.0"];

/// What one source says: by key, in its tables.
#[derive(Clone, Default)]
pub(super) struct Said {
    pub(super) statements: BTreeMap<(String, String), Statement>,
    pub(super) advisories: BTreeMap<String, Advisory>,
    pub(super) enrichment: BTreeMap<String, Enrichment>,
    pub(super) fixed_only: bool,
}

/// What all sources say, by their position.
pub(super) type World = BTreeMap<usize, Said>;

pub(super) fn vulnerability(dice: &mut Dice) -> String {
    let prefix = dice.pick(&["CVE-2024-", "GHSA-", "X-"]);
    format!("{prefix}{}", dice.below(7))
}

pub(super) fn rating(dice: &mut Dice) -> Rating {
    let word = [Severity::Low, Severity::Medium, Severity::High][dice.below(3)];
    Rating { source: dice.pick(&["nvd", "ghsa", "x"]).to_owned(), value: RatingValue::Word(word) }
}

/// One thing that is said, said otherwise, or said no more.
pub(super) fn edit(dice: &mut Dice, world: &mut World) {
    let at = dice.below(SOURCES.len());
    let (_, _, ecosystem, scheme, level) = SOURCES[at];
    if dice.one_in(40) && world.remove(&at).is_some() {
        return;
    }
    let said = world.entry(at).or_default();
    if dice.one_in(40) {
        said.fixed_only ^= true;
    }
    let id = vulnerability(dice);
    if ecosystem.is_empty() || (ecosystem == "cpe" && dice.one_in(3)) {
        let removed = dice.one_in(3) && said.enrichment.remove(&id).is_some();
        if !removed {
            said.enrichment.insert(id, enrichment(dice));
        }
        return;
    }
    match dice.below(4) {
        0 => {
            said.advisories.insert(id.clone(), advisory(dice, id));
        }
        1 => {
            said.advisories.remove(&id);
        }
        2 if dice.one_in(2) => {
            let key = said.statements.keys().nth(dice.below(said.statements.len().max(1))).cloned();
            key.and_then(|key| said.statements.remove(&key));
        }
        _ => {
            let name = match ecosystem {
                "Go" => dice.pick(&["example.com/alpha", "example.com/beta", "stdlib"]).to_owned(),
                "Maven" => format!("{}:{}", dice.pick(&["org.a", "org.b"]), dice.pick(NAMES)),
                _ => dice.pick(NAMES).to_owned(),
            };
            said.statements.insert((name.clone(), id.clone()), statement(dice, id, name, scheme, level));
        }
    }
}

pub(super) fn enrichment(dice: &mut Dice) -> Enrichment {
    Enrichment {
        ratings: (0..dice.below(2)).map(|_| rating(dice)).collect(),
        cwes: Vec::new(),
        exploited: dice.one_in(3).then_some(Exploited { added: None, due: None, ransomware: false }),
        epss_millionths: (!dice.one_in(3)).then(|| u32::try_from(dice.below(1_000_000)).unwrap()),
        status: if dice.one_in(6) { AdvisoryStatus::Rejected } else { AdvisoryStatus::Active },
        published: None,
        modified: None,
        known_since: Instant(i64::try_from(dice.below(3)).unwrap()),
    }
}

pub(super) fn advisory(dice: &mut Dice, id: String) -> Advisory {
    let names = |dice: &mut Dice| (0..dice.below(3)).map(|_| vulnerability(dice)).collect::<Vec<_>>();
    let (aliases, upstream) = if dice.one_in(4) { (Vec::new(), names(dice)) } else { (names(dice), Vec::new()) };
    Advisory {
        id,
        aliases,
        upstream,
        kind: if dice.one_in(8) { AdvisoryKind::Notice } else { AdvisoryKind::Vulnerability },
        status: if dice.one_in(8) { AdvisoryStatus::Withdrawn } else { AdvisoryStatus::Active },
        published: None,
        modified: None,
        ratings: (0..dice.below(3)).map(|_| rating(dice)).collect(),
        cwes: Vec::new(),
        url: None,
        license: License::Public,
        known_since: Instant(i64::try_from(dice.below(3)).unwrap()),
    }
}

pub(super) fn statement(dice: &mut Dice, id: String, name: String, scheme: Scheme, level: Level) -> Statement {
    let fixed = dice.pick(VERSIONS);
    let prefix = match (scheme, name.as_str()) {
        (Scheme::Go, "stdlib") => "go",
        (Scheme::Go, _) => "v",
        _ => "",
    };
    let fixed = format!("{prefix}{fixed}{}", if scheme == Scheme::Semver { ".0" } else { "" });
    let versions = match dice.below(3) {
        0 => Range::all(scheme),
        _ => Range::new(scheme, vec![Interval::before(fixed.as_str())], Vec::new()),
    };
    let mut qualifiers = Vec::new();
    if scheme == Scheme::Go && dice.one_in(2) {
        let symbols = if dice.one_in(2) { vec![dice.pick(&["F", "G"]).to_owned()] } else { Vec::new() };
        qualifiers.push(Qualifier::GoImport { path: name.clone(), symbols });
    }
    if scheme == Scheme::Rpm && dice.one_in(3) {
        qualifiers.push(Qualifier::Module("m:1".to_owned()));
    }
    let name = match level {
        Level::Cpe => format!("cpe:2.3:a:{name}:{name}:*:*:*:*:*:*:*:*"),
        _ => name,
    };
    Statement {
        advisory: id,
        name,
        level: if level == Level::Source && dice.one_in(3) { Level::Binary } else { level },
        versions,
        verdict: match dice.below(6) {
            0 => Verdict::NotAffected,
            1 => Verdict::UnderInvestigation,
            _ => Verdict::Affected,
        },
        fix: StatedFix {
            state: if dice.one_in(2) { FixState::Fixed } else { FixState::NotFixed },
            versions: if dice.one_in(2) { vec![fixed] } else { Vec::new() },
            advisories: Vec::new(),
        },
        qualifiers,
        severity: dice.one_in(3).then_some(Severity::Medium),
        known_since: Instant(i64::try_from(dice.below(3)).unwrap()),
    }
}

pub(super) fn write(out: &Path, world: &World) -> Index {
    let segments = world
        .iter()
        .filter(|(_, said)| !said.statements.is_empty() || !said.advisories.is_empty() || !said.enrichment.is_empty());
    let segments = segments.map(|(at, said)| {
        let (provider, namespace, ecosystem, ..) = SOURCES[*at];
        let mut segment = Segment {
            provider: provider.to_owned(),
            namespace: namespace.to_owned(),
            ecosystem: ecosystem.to_owned(),
            coverage: if said.fixed_only { Coverage::FixedOnly } else { Coverage::Full },
            license: License::Public,
            attribution: String::new(),
            data_instant: None,
            advisories: 0,
            statements: 0,
            skipped: 0,
            inputs: Vec::new(),
            digest: [0; 32],
            offset: 0,
            blocks_bytes: 0,
            directory_bytes: 0,
        };
        let mut records = Records::default();
        for ((name, _), statement) in &said.statements {
            if statement.level == Level::Cpe {
                records.cpe(name, statement);
            } else {
                for key in crate::names::keys(ecosystem, name) {
                    records.statement(&key, statement);
                }
            }
        }
        said.advisories.values().for_each(|advisory| records.advisory(advisory));
        said.enrichment.iter().for_each(|(id, enrichment)| records.enrichment(id, enrichment));
        let bytes = records.finish(&mut segment, Instant(7), None).unwrap();
        (segment, bytes)
    });
    write_file(out, Instant(7), segments.collect()).unwrap();
    Index::open(out).unwrap()
}

/// An image of some packages, installed and owned in all ways that matching tells apart.
pub(super) fn image(dice: &mut Dice) -> (Option<Distribution>, Vec<Package>) {
    let distributions = [("debian", "12"), ("debian", "13"), ("rhel", "9.4"), ("centos", "9"), ("void", "1")];
    let distribution = |dice: &mut Dice| {
        let (id, version) = distributions[dice.below(distributions.len())];
        Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() }
    };
    let own = (!dice.one_in(6)).then(|| distribution(dice));
    let count = dice.below(9);
    let mut packages: Vec<Package> = Vec::new();
    for _ in 0..count {
        let mut package = package(dice);
        if dice.one_in(2) && !packages.is_empty() {
            package.owner = Some(PackageId(u32::try_from(dice.below(packages.len())).unwrap()));
        }
        if package.kind.is_os() && dice.one_in(5) {
            package.distribution = Some(distribution(dice));
        }
        package.layer = u32::try_from(dice.below(3)).unwrap();
        packages.push(package);
    }
    (own, packages)
}

pub(super) fn package(dice: &mut Dice) -> Package {
    let kinds = [
        PackageKind::Deb,
        PackageKind::Deb,
        PackageKind::Rpm,
        PackageKind::Python,
        PackageKind::Npm,
        PackageKind::Java,
        PackageKind::Go,
        PackageKind::Go,
        PackageKind::Hex,
        PackageKind::Binary,
    ];
    let kind = kinds[dice.below(kinds.len())];
    let (mut name, mut version) = (dice.pick(NAMES).to_owned(), dice.pick(VERSIONS).to_owned());
    let mut source = None;
    let mut details = PackageDetails::None;
    match kind {
        PackageKind::Deb => {
            source =
                dice.one_in(2).then(|| SourcePackage { name: dice.pick(NAMES).to_owned(), version: version.clone() });
        }
        PackageKind::Rpm => {
            details = PackageDetails::Rpm {
                epoch: None,
                source_rpm: Some(dice.pick(NAMES).to_owned()),
                module: dice.one_in(2).then(|| "m:1:2".to_owned()),
                vendor: None,
                signatures: Vec::new(),
            };
        }
        PackageKind::Npm => {
            details = PackageDetails::Npm { homepage: Some(version.clone()), is_private: dice.one_in(4) };
            version.push_str(".0");
        }
        PackageKind::Java => {
            details = PackageDetails::Java {
                group: dice.one_in(2).then(|| dice.pick(&["org.a", "org.b"]).to_owned()),
                specification_version: None,
                implementation_version: None,
                maven_version: None,
                pom_properties: dice.one_in(2).then(|| "version=1".to_owned()),
                extension: "jar".to_owned(),
            };
        }
        PackageKind::Go => {
            name = dice.pick(&["example.com/alpha", "example.com/beta", "stdlib"]).to_owned();
            version = format!("{}{version}.0", if name == "stdlib" { "go" } else { "v" });
            let symbols = [(name.as_str(), None), (name.as_str(), Some(dice.pick(&["F", "G"])))];
            details = PackageDetails::Go {
                main: dice.one_in(2),
                toolchain: dice.one_in(2).then(|| format!("go{}", dice.pick(VERSIONS))),
                checksum: Some(version.clone()),
                version_from: dice.one_in(4).then(|| "vcs.revision".to_owned()),
                symbols: dice.one_in(2).then(|| Symbols::new(symbols.into_iter())),
            };
        }
        PackageKind::Hex => {
            details = PackageDetails::Published {
                namespace: dice.one_in(2).then(|| "acme".to_owned()),
                subpath: None,
                qualifiers: BTreeMap::new(),
                checksum: None,
            };
        }
        _ => {}
    }
    let evidence = if dice.one_in(4) { PackageEvidence::Claimed } else { PackageEvidence::Installed };
    let location = ImagePath::from(dice.pick(&["/a", "/b"]));
    Package { source, details, evidence, ..Package::new(kind, &name, &version, location) }
}
