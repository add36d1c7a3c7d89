//! Judging a stored image: facts from the store, knowledge from the index, decisions from the policy.
//!
//! Everything here is computed on demand by pure functions; [`cache`] only keeps what it would compute again.

pub(crate) mod cache;
mod query;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::evaluation::Evaluation;
use killick_model::matching::{Match, Matches};
use killick_policy::{
    Bundle, DEFAULT_NOTICE_DAYS, Dockerfile, DockerfileMode, Evidence, Exceptions, FeedGroup, JudgingSource, Options,
    ProblemSeverity,
};
use killick_report::content::{ContentType, Subject};
use killick_report::vulnerabilities::{Kind, WontFix, records as vulnerability_records};
use killick_store::exceptions::ExceptionsState;
use killick_vulns::lifecycle::unsupported;
use killick_vulns::{Index, MatchOptions, SourceStatus, match_packages, sources, status};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::error::ApiError;
use crate::app::App;
use crate::judge::cache::MatchKey;
use crate::knowledge::Current;
use crate::records::{Image, Policy};
use crate::{clock, cpu};

pub(crate) use query::{Part, Vulnerable, Wanted, known, vulnerable};
pub(crate) use verdict::{Keep, evaluate, result_document};

/// Whether kept matches will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// They will: the index is the same.
    Kept,
    /// They are to be computed anew.
    Anew,
}

/// The document of every gate.
pub(crate) fn gates() -> Value {
    killick_policy::spec()
}

/// One type of an image's content.
pub(crate) async fn content(app: &App, image: &Image, kind: &'static ContentType) -> Result<Value, ApiError> {
    let analysis = analysis(app, image).await?;
    let manifest = app.records().manifest(image).await?;
    let dockerfile = image.dockerfile.clone();
    Ok(cpu::run(move || {
        let subject = Subject { analysis: &analysis, manifest: &manifest, dockerfile: dockerfile.as_deref() };
        (kind.render)(&subject)
    })
    .await)
}

/// The vulnerabilities of an image.
pub(crate) async fn vulnerabilities(
    app: &App,
    image: &Image,
    kind: Kind,
    wont_fix: WontFix,
    freshness: Freshness,
) -> Result<Vec<Value>, ApiError> {
    let (analysis, matches) = (analysis(app, image).await?, matches(app, image, freshness).await?);
    Ok(cpu::run(move || vulnerability_records(&analysis, &matches, kind, wont_fix)).await)
}

/// Bytes of the id of a bundle.
const MAX_ID: usize = 512;

/// The same as a document, which is written once as long as it is asked for now and then.
pub(crate) async fn vulnerability_document(
    app: &App,
    image: &Image,
    kind: Kind,
    wont_fix: WontFix,
    freshness: Freshness,
) -> Result<Arc<RawValue>, ApiError> {
    let key = app.knowledge().current().map(|knowledge| (match_key(image, &knowledge), kind, wont_fix));
    if freshness == Freshness::Kept
        && let Some(known) = key.as_ref().and_then(|key| app.cache().vulnerabilities(key))
    {
        return Ok(known);
    }
    let records = vulnerabilities(app, image, kind, wont_fix, freshness).await?;
    let document = cpu::run(move || serde_json::value::to_raw_value(&records)).await;
    let document: Arc<RawValue> = document.map_err(|error| ApiError::internal(&error))?.into();
    if let Some(key) = key {
        app.cache().keep_vulnerabilities(key, document.clone());
    }
    Ok(document)
}

/// Refuses a bundle that has errors, in the words of the contract.
pub(crate) fn check_bundle(document: &Value, max_rules: usize) -> Result<(), ApiError> {
    if let Some(reason) = too_many_rules(document, max_rules) {
        return Err(ApiError::bad_request(reason));
    }
    if let Some(problem) = Bundle::check_schema(document).into_iter().next() {
        return Err(ApiError::problem(StatusCode::BAD_REQUEST, problem.details));
    }
    let bundle =
        Bundle::parse(document).map_err(|error| ApiError::problem(StatusCode::BAD_REQUEST, error.to_string()))?;
    if !(1..=MAX_ID).contains(&bundle.id.len()) {
        return Err(ApiError::bad_request(format!("the `id` of a bundle has 1 to {MAX_ID} bytes")));
    }
    let problems = bundle.validate();
    if problems.iter().all(|problem| problem.severity != ProblemSeverity::Error) {
        return Ok(());
    }
    let details: Vec<Value> = problems.iter().map(killick_policy::BundleProblem::to_v1).collect();
    Err(ApiError::bad_request("Bundle failed validation").with_detail("validation_details", details))
}

/// Why a bundle would cost too much: its rules, or those that one mapping applies, which may name a policy many times.
/// Looked at first, because reading a bundle costs many times its size.
pub(crate) fn too_many_rules(document: &Value, max_rules: usize) -> Option<String> {
    fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
        value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
    let mut by_policy: HashMap<&str, usize> = HashMap::new();
    let mut number = 0_usize;
    for policy in list(document, "policies") {
        let rules = list(policy, "rules").len();
        number = number.saturating_add(rules);
        if let Some(id) = policy.get("id").and_then(Value::as_str) {
            by_policy.insert(id, rules);
        }
    }
    let limit = format!("more than the {max_rules} that one may have (`policies.max_rules` of the service)");
    if number > max_rules {
        return Some(format!("the bundle has {number} rules, {limit}"));
    }
    list(document, "mappings").iter().find_map(|mapping| {
        let ids = list(mapping, "policy_ids").iter().filter_map(Value::as_str);
        let applied = ids.filter_map(|id| by_policy.get(id)).fold(0_usize, |sum, rules| sum.saturating_add(*rules));
        (applied > max_rules).then(|| format!("a mapping of the bundle applies {applied} rules, {limit}"))
    })
}

/// What an account has decided.
pub(crate) struct Decisions {
    pub(crate) policy: Policy,
    /// Which exceptions there are from whatever policy.
    pub(crate) exceptions: ExceptionsState,
}

/// The decisions with the policy of this id, or with the active one.
pub(crate) async fn decisions(app: &App, account: &str, policy: Option<&str>) -> Result<Decisions, ApiError> {
    let found = app.records().decisions(account, policy).await?;
    let (policy, exceptions) = found.ok_or_else(|| match policy {
        Some(id) => ApiError::not_found(format!("there is no policy `{id}`")),
        None => ApiError::not_found("no policy is active"),
    })?;
    Ok(Decisions { policy, exceptions })
}

/// The evaluation after exceptions.
pub(crate) async fn excepted(exceptions: Arc<Exceptions>, mut evaluation: Evaluation) -> Evaluation {
    cpu::run(move || {
        exceptions.apply(&mut evaluation, DEFAULT_NOTICE_DAYS);
        evaluation
    })
    .await
}

/// The bundle of a stored policy, read once as long as it is asked for now and then.
pub(crate) async fn bundle(app: &App, policy: &Policy) -> Result<Arc<Bundle>, ApiError> {
    if let Some(bundle) = app.cache().bundle(&policy.digest) {
        return Ok(bundle);
    }
    let stored = policy.clone();
    let bundle = cpu::run(move || Bundle::parse(&stored.bundle())).await.map_err(|error| ApiError::internal(&error))?;
    let bundle = Arc::new(bundle);
    app.cache().keep_bundle(policy.digest.clone(), bundle.clone(), policy.document.get().len());
    Ok(bundle)
}

fn nothing() -> ApiError {
    ApiError::internal(&std::io::Error::other("no bundle was evaluated"))
}

/// The exceptions of an account.
pub(crate) async fn exceptions(app: &App, account: &str) -> Result<Arc<Exceptions>, ApiError> {
    exceptions_as_of(app, account, &app.records().exceptions_state(account).await?).await
}

/// The same, where their state was read.
pub(crate) async fn exceptions_as_of(
    app: &App,
    account: &str,
    state: &ExceptionsState,
) -> Result<Arc<Exceptions>, ApiError> {
    if state.number == 0 {
        return Ok(Arc::default());
    }
    let key = (account.to_owned(), state.number, state.changed_at);
    if let Some(exceptions) = app.cache().exceptions(&key) {
        return Ok(exceptions);
    }
    let all = app.records().all_exceptions(account).await?;
    let exceptions = Arc::new(cpu::run(move || Exceptions::of(all)).await);
    // Another may have been made or deleted since the state was read, and the state be that one again later.
    if app.records().exceptions_state(account).await? == *state {
        app.cache().keep_exceptions(key, exceptions.clone());
    }
    Ok(exceptions)
}

/// What each of the bundles makes of an image under a tag as of an instant, before exceptions: advisories are today's, and what
/// depends on the time is judged as it was then.
pub(crate) async fn under(
    app: &App,
    image: &Image,
    tag: &str,
    bundles: &[Arc<Bundle>],
    at: Timestamp,
) -> Result<Vec<Evaluation>, ApiError> {
    under_at(app, image, tag, bundles, app.knowledge().current(), at).await
}

async fn under_at(
    app: &App,
    image: &Image,
    tag: &str,
    bundles: &[Arc<Bundle>],
    knowledge: Option<Arc<Current>>,
    now: Timestamp,
) -> Result<Vec<Evaluation>, ApiError> {
    let analysis = analysis(app, image).await?;
    let (matches, background) = match &knowledge {
        Some(knowledge) => {
            let matches = matches_by(app, image, knowledge, Freshness::Kept).await?;
            let background = background(app, image, knowledge, &analysis, &matches).await?;
            (matches, background)
        }
        None => Default::default(),
    };
    let (image, bundles, tag) = (image.clone(), bundles.to_vec(), tag.to_owned());
    let options = Options { compatibility: app.config().policies.compatibility };
    cpu::run(move || {
        let unsupported = match &knowledge {
            Some(knowledge) => unsupported(&knowledge.index, (&*analysis).into(), now.into()),
            None => Ok(Vec::new()),
        };
        let unsupported = unsupported.map_err(|error| ApiError::internal(&error))?;
        let mut evidence = Evidence::new(&analysis, &matches, now);
        (evidence.feeds, evidence.first_seen, evidence.unsupported) =
            (&background.feeds, &background.first_seen, &unsupported);
        evidence.sources = &background.sources;
        evidence.image_size_bytes = image.summary.as_ref().map(|summary| summary.size_bytes);
        evidence.dockerfile = image.dockerfile.as_deref().map(|text| Dockerfile { text, mode: DockerfileMode::Actual });
        let mut evaluations: Vec<Evaluation> =
            bundles.iter().map(|bundle| killick_policy::evaluate(bundle, &evidence, &tag, &options)).collect();
        // An imported image goes by the id that it was given.
        if let Some(id) = &image.image_id {
            for evaluation in &mut evaluations {
                evaluation.image_id.clone_from(id);
            }
        }
        Ok(evaluations)
    })
    .await
}

/// What else is known of an image by an index, beside its matches.
#[derive(Default)]
pub(crate) struct Background {
    feeds: Vec<FeedGroup>,
    sources: Vec<JudgingSource>,
    /// Of each match.
    first_seen: Vec<Option<Timestamp>>,
}

async fn background(
    app: &App,
    image: &Image,
    knowledge: &Arc<Current>,
    analysis: &Arc<Analysis>,
    matches: &Matches,
) -> Result<Arc<Background>, ApiError> {
    let key = match_key(image, knowledge);
    if let Some(known) = app.cache().background(&key) {
        return Ok(known);
    }
    let known = app.records().first_seen(image).await?;
    let first_seen = seen(analysis, matches).iter().map(|found| known.get(found).copied()).collect();
    let (knowledge, facts) = (knowledge.clone(), analysis.clone());
    let known = cpu::run(move || (feeds(&knowledge.index), judging_sources(&knowledge.index, &facts))).await;
    let (feeds, sources) = known;
    let background = Arc::new(Background { feeds, sources, first_seen });
    app.cache().keep_background(key, background.clone());
    Ok(background)
}

/// What the matches of an image depend on.
fn match_key(image: &Image, knowledge: &Current) -> MatchKey {
    (image.account.clone(), image.digest.clone(), image.analyzed_at, knowledge.digest.clone())
}

fn feeds(index: &Index) -> Vec<FeedGroup> {
    let built = index.manifest().built.timestamp();
    let group =
        |source: SourceStatus| FeedGroup { namespace: source.namespace, records: source.advisories, last_sync: built };
    status(index, clock::now()).sources.into_iter().map(group).collect()
}

/// The sources that speak of packages of the image, as policies see them.
fn judging_sources(index: &Index, analysis: &Analysis) -> Vec<JudgingSource> {
    let built = index.manifest().built.timestamp();
    let source = |source: SourceStatus| JudgingSource {
        provider: source.provider,
        namespace: source.namespace,
        newest_data: source.data_instant.or(built),
    };
    sources(index, analysis.into()).into_iter().map(source).collect()
}

/// Vulnerability and package of each match, as first sights are kept.
fn seen(analysis: &Analysis, matches: &Matches) -> Vec<(String, String)> {
    let name = |found: &Match| {
        let package = analysis.package(found.package);
        (found.vulnerability.clone(), format!("{} {}", package.name, package.version))
    };
    matches.matches.iter().map(name).collect()
}

/// The facts of an image.
pub(crate) async fn analysis(app: &App, image: &Image) -> Result<Arc<Analysis>, ApiError> {
    let key = (image.account.clone(), image.digest.clone(), image.analyzed_at);
    if let Some(analysis) = app.cache().analysis(&key) {
        return Ok(analysis);
    }
    let bytes = app.records().analysis(image).await?;
    let analysis = cpu::run(move || serde_json::from_slice::<Analysis>(&bytes)).await;
    let analysis = Arc::new(analysis.map_err(|error| ApiError::internal(&error))?);
    app.cache().keep_analysis(key, analysis.clone());
    Ok(analysis)
}

/// The matches of an image by the index that is open now.
pub(crate) async fn matches(app: &App, image: &Image, freshness: Freshness) -> Result<Arc<Matches>, ApiError> {
    let Some(knowledge) = app.knowledge().current() else { return Ok(Arc::default()) };
    matches_by(app, image, &knowledge, freshness).await
}

async fn matches_by(
    app: &App,
    image: &Image,
    knowledge: &Arc<Current>,
    freshness: Freshness,
) -> Result<Arc<Matches>, ApiError> {
    let key = match_key(image, knowledge);
    if freshness == Freshness::Kept
        && let Some(matches) = app.cache().matches(&key)
    {
        return Ok(matches);
    }
    let stored = match freshness {
        Freshness::Kept => app.records().matches(image, &knowledge.digest).await?,
        Freshness::Anew => None,
    };
    let matches = if let Some(matches) = stored {
        Arc::new(matches)
    } else {
        let facts = analysis(app, image).await?;
        let (subject, index) = (facts.clone(), knowledge.clone());
        let found = cpu::run(move || match_packages(&index.index, (&*subject).into(), &MatchOptions::default()));
        let matches = found.await.map_err(|error| ApiError::internal(&error))?;
        app.records().keep_matches(image, &knowledge.digest, &matches, &seen(&facts, &matches)).await?;
        Arc::new(matches)
    };
    app.cache().keep_matches(key, matches.clone());
    Ok(matches)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_counted_before_a_bundle_is_read() {
        let rules = |number: usize| Value::Array(vec![json!({}); number]);
        let bundle = |first, second, ids: &[&str]| {
            let policies = json!([{"id": "a", "rules": rules(first)}, {"id": "b", "rules": rules(second)}]);
            json!({"policies": policies, "mappings": [{"policy_ids": ["a"]}, {"policy_ids": ids}]})
        };
        let told = |document: &Value| too_many_rules(document, 5).unwrap_or_default();
        assert_eq!(told(&bundle(3, 2, &["a", "b"])), "");
        let limit = "rules, more than the 5 that one may have (`policies.max_rules` of the service)";
        assert_eq!(told(&bundle(3, 3, &["a"])), format!("the bundle has 6 {limit}"));
        assert_eq!(told(&bundle(3, 1, &["a", "b", "a"])), format!("a mapping of the bundle applies 7 {limit}"));
        for odd in
            [json!({}), json!([]), json!({"policies": 1}), json!({"policies": [1, {"rules": 1}], "mappings": [1]})]
        {
            assert_eq!(told(&odd), "", "what is no bundle is told by who reads it: {odd}");
        }
    }
}
