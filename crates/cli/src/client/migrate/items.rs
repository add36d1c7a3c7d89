//! What an old service has, as it tells it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

use super::super::Failure;
use super::super::api::{Api, percent_encode};

/// Kinds of things, in the order in which they are brought: what needs another comes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Kind {
    Account,
    User,
    Registry,
    Policy,
    /// Which policy is active.
    Active,
    Image,
    /// The document of an archived analysis.
    Archive,
    /// Behind images: what is watched is looked at as soon as it is.
    Subscription,
    /// A subscription to the tags of a repository.
    Repository,
    Rule,
    /// A file, or a list of the old service, that could not be read.
    #[value(skip)]
    File,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::User => "user",
            Self::Registry => "registry",
            Self::Policy => "policy",
            Self::Active => "active",
            Self::Subscription => "subscription",
            Self::Repository => "repository",
            Self::Image => "image",
            Self::Rule => "archive rule",
            Self::Archive => "archive",
            Self::File => "source",
        }
    }
}

/// Where the document of an archived analysis is.
#[derive(Clone)]
pub(super) enum Document {
    File(PathBuf),
    /// With the old service, in the account of this.
    Old(Box<Api>),
}

/// One thing.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// As the old service tells it.
    pub(super) record: Value,
    /// The document of what is archived, if it can be had.
    pub(super) document: Option<Document>,
    /// What comes first among those of a kind: images as they were added.
    pub(super) order: String,
}

impl Item {
    /// The tags of an image.
    pub(super) fn tags(&self) -> Vec<String> {
        let details = self.record["image_detail"].as_array().into_iter().flatten();
        let mut tags: Vec<String> = details
            .filter_map(|detail| detail["fulltag"].as_str().or_else(|| detail["pullstring"].as_str()))
            .map(str::to_owned)
            .collect();
        tags.dedup();
        tags
    }

    /// Whether somebody else told the old service what is in the image: no registry need have it.
    pub(super) fn is_imported(&self) -> bool {
        self.record["annotations"].get(IMPORTED).is_some()
    }
}

impl Document {
    /// The path of the document with this digest.
    pub(super) fn path(digest: &str) -> String {
        format!("/archives/images/{}/document", percent_encode(digest))
    }

    /// Its bytes. `name` is that of the item.
    pub(super) async fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Self::File(path) => fs_err::read(path).map_err(|error| Failure::local(error.to_string())),
            Self::Old(api) => api.download(&Self::path(name)).await,
        }
    }
}

/// What one account has.
#[derive(Default)]
pub(super) struct Account {
    /// `None` for the account of whoever migrates.
    pub(super) name: Option<String>,
    pub(super) items: Vec<Item>,
}

/// What an old service has.
#[derive(Default)]
pub(super) struct Export {
    pub(super) accounts: Vec<Account>,
    /// Files and lists that could not be read, with the reason.
    pub(super) unread: Vec<(String, String)>,
    /// Files with what the new server finds out by itself, and what that is.
    pub(super) not_brought: Vec<(String, String)>,
}

/// What a record of the v1 API tells that the new server finds out by itself.
pub(super) fn found_out_anew(record: &Value) -> Option<&'static str> {
    let has = |name: &str| record.get(name).is_some();
    let is_verdict = |record: &Value| {
        let mut members = record.as_object().into_iter().flatten();
        members.next().is_some_and(|(name, verdicts)| name.starts_with("sha256:") && verdicts.is_object())
    };
    if has("vulnerability_type") {
        Some("vulnerabilities are matched anew")
    } else if has("content_type") {
        Some("images are analysed anew")
    } else if has("results") && has("page") || has("generated_uuid") {
        Some("events stay with the old service")
    } else if is_verdict(record) {
        Some("images are judged anew")
    } else {
        None
    }
}

/// The annotation of imported images, which names the import.
pub(super) const IMPORTED: &str = "anchore.system/import_operation_id";

/// Subscriptions to the tags of repositories.
pub(super) const REPOSITORIES: &str = "repo_update";

impl Account {
    /// Takes a record of the v1 API, by its members; `false` if it is none that is known.
    pub(super) fn take(&mut self, record: &Value) -> bool {
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        if let Some(id) = text("policyId") {
            if record.get("policybundle").is_some_and(|bundle| bundle.get("policies").is_some()) {
                self.add(Kind::Policy, id, record["policybundle"].clone());
            }
            if record["active"] == true {
                self.add(Kind::Active, id, Value::Null);
            }
        } else if record.get("policies").is_some() && record.get("mappings").is_some() {
            self.add(Kind::Policy, text("id").unwrap_or_default(), record.clone());
        } else if let (Some(key), Some(kind)) = (text("subscription_key"), text("subscription_type")) {
            match kind {
                REPOSITORIES => self.add(Kind::Repository, key, record.clone()),
                kind => self.add(Kind::Subscription, &format!("{kind} {key}"), record.clone()),
            }
        } else if let Some(registry) = text("registry").filter(|_| record.get("registry_verify").is_some()) {
            self.add(Kind::Registry, registry, record.clone());
        } else if let Some(id) = text("rule_id") {
            let transition = text("transition").unwrap_or_default();
            self.add(Kind::Rule, &format!("{id} ({transition})"), record.clone());
        } else if let Some(digest) = text("imageDigest") {
            if record.get("archive_size_bytes").is_some() {
                self.add(Kind::Archive, digest, record.clone());
            } else if !matches!(text("image_status"), Some("deleting" | "archived")) {
                self.add(Kind::Image, digest, record.clone());
            }
        } else if let Some(user) = text("username") {
            self.add(Kind::User, user, record.clone());
        } else {
            return false;
        }
        true
    }

    /// Adds one; of two with the same name the later counts.
    pub(super) fn add(&mut self, kind: Kind, name: &str, record: Value) {
        let order = match kind {
            Kind::Image => record["created_at"].as_str().unwrap_or_default(),
            _ => name,
        };
        let item = Item { kind, name: name.to_owned(), order: order.to_owned(), record, document: None };
        self.items.retain(|known| (known.kind, &known.name) != (kind, &item.name));
        self.items.push(item);
    }

    pub(super) fn add_document(&mut self, name: String, path: PathBuf) {
        let document = Some(Document::File(path));
        self.items.push(Item { kind: Kind::Archive, order: name.clone(), name, record: Value::Null, document });
    }
}
