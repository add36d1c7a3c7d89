//! Small named values.

use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

impl Store {
    /// A named value.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        read!(self.pool, db => sqlx::query_scalar(sql::SETTING).bind(key).fetch_optional(db).await)
            .during("reading a setting")
    }

    /// Keeps a named value.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::SET_SETTING).bind(key).bind(value).execute(db).await.map(drop))
            .during("writing a setting")
    }
}
