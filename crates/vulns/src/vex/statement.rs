//! One shape for the statements of all formats.

use jiff::Timestamp;
use killick_model::advisory::Instant;
use killick_model::digest::Digest;
use killick_model::vex::{Justification, VexFormat, VexStatus};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::envelope::Signing;
use super::product::Product;

/// Statements of one document that are kept, each about one vulnerability and some products.
const MAX_STATEMENTS: usize = 200_000;

/// Products and parts of products in one document.
const MAX_PRODUCTS: usize = 500_000;

/// Letters of a reason that are kept.
const MAX_LETTERS: usize = 2_000;

/// Letters of a name that are kept.
const MAX_NAME: usize = 300;

/// A document, whatever its format was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) format: VexFormat,
    pub(super) digest: Digest,
    pub(super) signing: Signing,
    pub(super) said_at: Option<Timestamp>,
    pub(super) is_draft: bool,
    pub(super) statements: Vec<Statement>,
    /// Statements that make no sense.
    pub(super) skipped: usize,
    /// Products without an identity.
    pub(super) unidentified: usize,
    /// Statements beyond what is kept.
    pub(super) left_out: usize,
    pub(super) products: usize,
}

/// What is said of a vulnerability in some products.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    /// The vulnerability's names.
    pub(super) names: Vec<String>,
    pub(super) products: Vec<Product>,
    pub(super) status: VexStatus,
    pub(super) justification: Option<Justification>,
    pub(super) impact: Option<String>,
    pub(super) action: Option<String>,
    pub(super) said_at: Option<Timestamp>,
}

impl Document {
    pub(super) fn new(id: &str, issuer: &str, said_at: Option<Timestamp>) -> Self {
        Self {
            id: shortened(id, MAX_NAME),
            issuer: shortened(issuer.trim(), MAX_NAME),
            // What the document is of, and who signed it, is known to who read it.
            format: VexFormat::OpenVex,
            digest: Digest::of(&[]),
            signing: Signing::Unsigned,
            said_at,
            is_draft: false,
            statements: Vec::new(),
            skipped: 0,
            unidentified: 0,
            left_out: 0,
            products: 0,
        }
    }

    /// Adds a statement, if there is room, with the products that can be identified, if it has any.
    pub(super) fn push(&mut self, mut statement: Statement) {
        let all = statement.products.len();
        statement.products.retain(Product::is_identified);
        self.unidentified = self.unidentified.saturating_add(all - statement.products.len());
        statement.names.retain(|name| !name.is_empty() && name.len() <= MAX_NAME);
        if statement.names.is_empty() {
            self.skipped = self.skipped.saturating_add(1);
            return;
        }
        if statement.products.is_empty() {
            return;
        }
        let size: usize = statement.products.iter().map(Product::size).sum();
        if self.statements.len() >= MAX_STATEMENTS || self.products.saturating_add(size) > MAX_PRODUCTS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.products = self.products.saturating_add(size);
        self.statements.push(statement);
    }
}

/// Something that is left out where it is not what it should be.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Maybe<T> {
    Known(T),
    Unknown(IgnoredAny),
}

/// Words of a reason; `None` for none.
pub(super) fn words(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| shortened(text, MAX_LETTERS))
}

pub(super) fn shortened(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

pub(super) fn instant(text: Option<&String>) -> Option<Timestamp> {
    text.and_then(|text| Instant::parse(text)).and_then(Instant::timestamp)
}
