//! Reviews and their answers, as Kubernetes writes them (`admission.k8s.io/v1`, kubernetes.io, "Dynamic Admission
//! Control").

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

/// Where a specification of pods lies: in a pod; in what has a template; in a `CronJob`; in a `PodTemplate`.
const SPECIFICATIONS: [&str; 4] =
    ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/template/spec"];

/// Lists of a specification whose members have an image.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Letters of a warning: the cluster cuts longer ones off.
const WARNING: usize = 250;
/// Warnings of an answer.
const WARNINGS: usize = 12;
/// Letters of the message of a refusal.
const MESSAGE: usize = 4000;

/// What is asked.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) uid: String,
    pub(super) namespace: Option<String>,
    /// Nothing that is done on account of this may last.
    pub(super) dry_run: bool,
    /// Images that the change brings.
    pub(super) images: BTreeSet<String>,
    /// The object, for people.
    pub(super) what: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

impl Review {
    /// Reads one; the error says what is wrong with it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| format!("this is no AdmissionReview: {error}"))?;
        if document.kind != "AdmissionReview" || document.api_version != "admission.k8s.io/v1" {
            let (kind, version) = (document.kind, document.api_version);
            return Err(format!("`{kind}` of `{version}` is not understood: ask with `admissionReviewVersions: [v1]`"));
        }
        let request = document.request;
        if request.uid.is_empty() {
            return Err("the review has no `uid`".to_owned());
        }
        let before = images(&request.old_object);
        let images = images(&request.object).into_iter().filter(|image| !before.contains(image)).collect();
        let name = request.name.filter(|name| !name.is_empty()).or_else(|| {
            let named = ["name", "generateName"].iter().find_map(|key| request.object["metadata"][key].as_str());
            named.map(str::to_owned)
        });
        let kind = request.object["kind"].as_str().unwrap_or("object");
        let what = name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"));
        let dry_run = request.dry_run.unwrap_or(false);
        Ok(Self { uid: request.uid, namespace: request.namespace, dry_run, images, what })
    }
}

/// Every image that the pods of an object run or mount.
fn images(object: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for specification in SPECIFICATIONS.iter().filter_map(|place| object.pointer(place)) {
        let members = |list: &str| specification[list].as_array().into_iter().flatten();
        let containers = CONTAINERS.iter().flat_map(|list| members(list)).map(|container| &container["image"]);
        let volumes = members("volumes").map(|volume| &volume["image"]["reference"]);
        let named = containers.chain(volumes).filter_map(Value::as_str).filter(|image| !image.is_empty());
        found.extend(named.map(str::to_owned));
    }
    found
}

/// What is answered: it is allowed if nothing is against it.
#[derive(Debug, Default)]
pub(super) struct Answer {
    refusals: Vec<String>,
    warnings: Vec<String>,
}

impl Answer {
    pub(super) fn refused(why: String) -> Self {
        Self { refusals: vec![why], warnings: Vec::new() }
    }

    pub(super) fn refuse(&mut self, why: String) {
        self.refusals.push(why);
    }

    pub(super) fn warn(&mut self, of: String) {
        self.warnings.push(of);
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.refusals.is_empty()
    }

    /// The answer to the review `uid`.
    pub(super) fn document(&self, uid: &str) -> Value {
        let mut response = json!({"uid": uid, "allowed": self.is_allowed()});
        if !self.is_allowed() {
            let message = cut(&format!("killick: {}", self.refusals.join("\n")), MESSAGE);
            response["status"] = json!({"code": 403, "reason": "Forbidden", "message": message});
        }
        if !self.warnings.is_empty() {
            let warnings =
                self.warnings.iter().take(WARNINGS).map(|warning| cut(&format!("killick: {warning}"), WARNING));
            response["warnings"] = warnings.collect();
        }
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
    }
}

/// At most so many letters, none of which controls a terminal or ends a line of a header.
fn cut(text: &str, letters: usize) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() && letter != '\n' { ' ' } else { letter });
    let mut cut: String = plain.clone().take(letters).collect();
    if plain.count() > letters {
        cut.pop();
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: &Value) -> Result<Review, String> {
        let document = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        Review::read(document.to_string().as_bytes())
    }

    #[test]
    fn images_of_every_kind_are_found() {
        let pod = json!({
            "initContainers": [{"name": "i", "image": "init"}],
            "containers": [{"name": "a", "image": "main"}, {"name": "b", "image": "main"}, {"name": "c"}],
            "ephemeralContainers": [{"name": "e", "image": "debug"}],
            "volumes": [{"name": "v", "image": {"reference": "mounted"}}, {"name": "w", "emptyDir": {}}],
        });
        let deployment = json!({"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": pod}}});
        for (object, what) in [
            (json!({"kind": "Pod", "metadata": {"generateName": "p-"}, "spec": pod}), "Pod p-"),
            (deployment.clone(), "Deployment d"),
            (json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}), "CronJob"),
            (json!({"kind": "PodTemplate", "template": {"spec": pod}}), "PodTemplate"),
        ] {
            let review = read(&json!({"uid": "1", "object": object})).expect("a review");
            let found: Vec<&str> = review.images.iter().map(String::as_str).collect();
            assert_eq!((found, review.what.as_str()), (vec!["debug", "init", "main", "mounted"], what));
        }
        for idle in
            [json!({"kind": "Service", "spec": {"ports": [1]}}), Value::Null, json!({"spec": {"containers": 1}})]
        {
            assert!(read(&json!({"uid": "1", "object": idle})).expect("a review").images.is_empty());
        }
        // Only what a change brings: whoever removes a finalizer is not held up.
        let mut changed = deployment.clone();
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other");
        let review = read(&json!({"uid": "1", "object": changed, "oldObject": deployment})).expect("a review");
        assert_eq!(review.images, BTreeSet::from(["other".to_owned()]));
    }

    #[test]
    fn what_is_no_review_is_told() {
        for (text, why) in [
            ("", "this is no AdmissionReview: EOF"),
            ("[]", "this is no AdmissionReview: "),
            (r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#, "missing field `request`"),
            (
                r#"{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "1"}}"#,
                "[v1]",
            ),
            (r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": ""}}"#, "`uid`"),
        ] {
            let told = Review::read(text.as_bytes()).expect_err("no review");
            assert!(told.contains(why), "{told}");
        }
        assert!(Review::read("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn answers_are_bounded() {
        let mut answer = Answer::default();
        assert_eq!(answer.document("7")["response"], json!({"uid": "7", "allowed": true}));
        for _ in 0..20 {
            answer.warn("w\r\n".repeat(1000));
        }
        answer.refuse("r".repeat(10_000));
        let document = answer.document("7");
        assert_eq!(document["response"]["status"]["message"].as_str().map(|text| text.chars().count()), Some(MESSAGE));
        let warnings = document["response"]["warnings"].as_array().expect("warnings");
        assert_eq!(warnings.len(), WARNINGS);
        assert!(warnings.iter().all(|text| text.as_str().is_some_and(|text| !text.contains('\r'))));
    }
}
