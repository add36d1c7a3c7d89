//! Exceptions.

use jiff::Timestamp;
use killick_policy::Exception;
use killick_store::Result;
use killick_store::exceptions::{ExceptionRow, ExceptionsState};
use serde::Deserialize as _;
use serde_json::Value;

use super::{Records, instant, now, optional};

/// Exceptions read at once.
const PAGE: i64 = 1000;

/// An exception of an account.
#[derive(Debug, Clone)]
pub(crate) struct StoredException {
    pub(crate) id: String,
    /// With who granted it, and when.
    pub(crate) exception: Exception,
    pub(crate) updated_at: Timestamp,
}

impl StoredException {
    /// `None` of a document that cannot be read, which is never stored.
    fn of(row: ExceptionRow) -> Option<Self> {
        let document: Value = serde_json::from_str(&row.document).ok()?;
        let mut exception = Exception::deserialize(&document).ok()?;
        exception.created_by = Some(row.created_by);
        exception.created_at = Some(instant(row.created_at));
        Some(Self { id: row.id, exception, updated_at: instant(row.updated_at) })
    }
}

impl Records {
    /// How many there are, and the last change.
    pub(crate) async fn exceptions_state(&self, account: &str) -> Result<ExceptionsState> {
        self.store.exceptions_state(account).await
    }

    /// Every exception of the account, by id.
    pub(crate) async fn all_exceptions(&self, account: &str) -> Result<Vec<Exception>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.store.exceptions(account, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after.clone_from(&last.id);
            all.extend(page.into_iter().filter_map(StoredException::of).map(|stored| stored.exception));
        }
    }

    /// Those after `after` by id, at most so many.
    pub(crate) async fn exceptions(&self, account: &str, after: &str, limit: usize) -> Result<Vec<StoredException>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.store.exceptions(account, after, limit).await?;
        Ok(rows.into_iter().filter_map(StoredException::of).collect())
    }

    /// One.
    pub(crate) async fn exception(&self, account: &str, id: &str) -> Result<Option<StoredException>> {
        Ok(optional(self.store.exception(account, id).await)?.and_then(StoredException::of))
    }

    /// Adds one.
    pub(crate) async fn create_exception(
        &self,
        account: &str,
        exception: &Exception,
        created_by: &str,
    ) -> Result<Option<StoredException>> {
        let document = text(exception);
        let row = self.store.create_exception(account, &exception.id, &document, created_by, now()).await?;
        Ok(StoredException::of(row))
    }

    /// Replaces one.
    pub(crate) async fn update_exception(
        &self,
        account: &str,
        exception: &Exception,
    ) -> Result<Option<StoredException>> {
        let row = self.store.update_exception(account, &exception.id, &text(exception), now()).await?;
        Ok(StoredException::of(row))
    }

    /// Removes one.
    pub(crate) async fn delete_exception(&self, account: &str, id: &str) -> Result<()> {
        self.store.delete_exception(account, id, now()).await
    }
}

fn text(exception: &Exception) -> String {
    serde_json::to_value(exception).unwrap_or_default().to_string()
}
