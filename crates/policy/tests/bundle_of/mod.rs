//! Bundles of test cases.

use serde_json::{Value, json};

/// A bundle with one policy, applied to every image.
pub(crate) fn bundle_of(rules: &Value) -> Value {
    json!({
        "id": "b", "version": "1_0", "name": "b",
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules": rules}],
        "whitelists": [],
        "mappings": [{
            "id": "m", "name": "all", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"},
            "policy_ids": ["p"], "whitelist_ids": []
        }],
        "whitelisted_images": [], "blacklisted_images": []
    })
}
