//! Policy bundles.

use std::sync::Arc;

use jiff::Timestamp;
use killick_store::Result;
use killick_store::exceptions::ExceptionsState;
use killick_store::policies::PolicyRow;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Records, instant, now, optional};

/// A policy bundle of an account.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) active: bool,
    pub(crate) source: String,
    /// The document as it is stored.
    pub(crate) document: Arc<RawValue>,
    /// Of the document.
    pub(crate) digest: killick_model::digest::Digest,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl From<PolicyRow> for Policy {
    fn from(row: PolicyRow) -> Self {
        Self {
            document: RawValue::from_string(row.document).unwrap_or_else(|_| RawValue::NULL.to_owned()).into(),
            account: row.account,
            id: row.id,
            active: row.active,
            source: row.source,
            digest: row.digest,
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }
}

impl Policy {
    /// The document, read.
    pub(crate) fn bundle(&self) -> Value {
        serde_json::from_str(self.document.get()).unwrap_or_default()
    }
}

impl Records {
    pub(crate) async fn policies(&self, account: &str) -> Result<Vec<Policy>> {
        Ok(self.store.policies(account).await?.into_iter().map(Policy::from).collect())
    }

    /// Policies by id: those after `after`, at most so many.
    pub(crate) async fn policies_after(&self, account: &str, after: &str, limit: usize) -> Result<Vec<Policy>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self.store.policies_after(account, after, limit).await?.into_iter().map(Policy::from).collect())
    }

    pub(crate) async fn policy(&self, account: &str, id: &str) -> Result<Option<Policy>> {
        Ok(optional(self.store.policy(account, id).await)?.map(Policy::from))
    }

    pub(crate) async fn active_policy(&self, account: &str) -> Result<Option<Policy>> {
        Ok(self.store.active_policy(account).await?.map(Policy::from))
    }

    /// The policy of this id, or the active one, and what tells the exceptions that there are from others.
    pub(crate) async fn decisions(
        &self,
        account: &str,
        policy: Option<&str>,
    ) -> Result<Option<(Policy, ExceptionsState)>> {
        let found = self.store.policy_and_exceptions(account, policy).await?;
        Ok(found.map(|(row, exceptions)| (row.into(), exceptions)))
    }

    /// Stores a bundle under its id; whether it is active does not change.
    pub(crate) async fn save_policy(&self, account: &str, bundle: &Value, source: &str) -> Result<Policy> {
        let id = bundle.get("id").and_then(Value::as_str).unwrap_or_default();
        Ok(self.store.put_policy(account, id, &bundle.to_string(), source, now()).await?.into())
    }

    pub(crate) async fn activate_policy(&self, account: &str, id: &str) -> Result<Policy> {
        Ok(self.store.activate_policy(account, id, now()).await?.into())
    }

    pub(crate) async fn delete_policy(&self, account: &str, id: &str) -> Result<()> {
        self.store.delete_policy(account, id).await
    }
}
