//! Bundles as the document describes them: what the contract names. `schemas/policy-bundle.json` knows every gate.

#![expect(dead_code, reason = "describes what `killick-policy` reads")]

use utoipa::ToSchema;

/// Policies, allowlists, and the mappings that choose them.
#[derive(ToSchema)]
pub(in crate::api) struct PolicyBundle {
    #[schema(min_length = 1, max_length = 512)]
    id: String,
    #[schema(pattern = "^1_0$")]
    version: String,
    name: Option<String>,
    comment: Option<String>,
    description: Option<String>,
    policies: Vec<BundlePolicy>,
    whitelists: Option<Vec<BundleWhitelist>>,
    /// The first that fits decides.
    mappings: Vec<BundleMapping>,
    whitelisted_images: Option<Vec<BundleImage>>,
    blacklisted_images: Option<Vec<BundleImage>>,
}

/// Rules.
#[derive(ToSchema)]
struct BundlePolicy {
    id: String,
    version: String,
    name: Option<String>,
    comment: Option<String>,
    rules: Vec<BundleRule>,
}

/// What a finding leads to.
#[derive(ToSchema)]
struct BundleRule {
    id: Option<String>,
    gate: String,
    trigger: String,
    #[schema(pattern = "^(GO|WARN|STOP)$")]
    action: String,
    params: Vec<BundleParameter>,
}

/// A parameter of a rule.
#[derive(ToSchema)]
struct BundleParameter {
    name: String,
    value: String,
}

/// Findings that are let pass.
#[derive(ToSchema)]
struct BundleWhitelist {
    id: String,
    version: String,
    name: Option<String>,
    comment: Option<String>,
    items: Option<Vec<BundleWhitelistItem>>,
}

/// One finding, which may have `*` in it.
#[derive(ToSchema)]
struct BundleWhitelistItem {
    id: Option<String>,
    gate: String,
    trigger_id: String,
    expires_on: Option<String>,
}

/// Which policies and allowlists images are judged by.
#[derive(ToSchema)]
struct BundleMapping {
    id: Option<String>,
    name: String,
    registry: String,
    repository: String,
    image: BundleImageReference,
    policy_id: Option<String>,
    /// Goes before `policy_id`.
    policy_ids: Option<Vec<String>>,
    whitelist_ids: Vec<String>,
}

/// Images that are let pass, or stopped, whatever is found.
#[derive(ToSchema)]
struct BundleImage {
    id: Option<String>,
    name: String,
    registry: String,
    repository: String,
    image: BundleImageReference,
}

/// Images of a repository; `*` is any.
#[derive(ToSchema)]
struct BundleImageReference {
    #[schema(pattern = "^(tag|digest|id)$")]
    r#type: String,
    value: String,
}
