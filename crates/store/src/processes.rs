//! The processes that work on this database, as they say themselves from time to time.

use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A process.
    pub struct Process {
        /// Made up when it starts.
        pub id: String,
        /// Where it runs, by a name of the settings.
        pub host: String,
        /// How others reach it.
        pub base_url: String,
        /// What it does: words with blanks between them.
        pub roles: String,
        /// When it said so last.
        pub seen_at: i64,
    }
}

impl Store {
    /// Notes that a process is there.
    pub async fn note_process(&self, process: &Process) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::NOTE_PROCESS).bind(&process.id).bind(&process.host).bind(&process.base_url)
            .bind(&process.roles).bind(process.seen_at).execute(db).await.map(drop))
        .during("noting a process")
    }

    /// Every process that has not said that it ends, the latest first.
    pub async fn processes(&self) -> Result<Vec<Process>> {
        read!(self.pool, db => sqlx::query_as(sql::PROCESSES).fetch_all(db).await).during("listing processes")
    }

    /// Forgets a process that ends.
    pub async fn forget_process(&self, id: &str) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::FORGET_PROCESS).bind(id).execute(db).await.map(drop))
            .during("forgetting a process")
    }

    /// Forgets the processes of a host, or of all, that said nothing since an instant; answers how many.
    pub async fn forget_silent_processes(&self, host: Option<&str>, since: i64) -> Result<u64> {
        Ok(change!(self.pool, db => sqlx::query(sql::FORGET_SILENT_PROCESSES).bind(host).bind(since).execute(db).await
            .during("forgetting processes").map(|done| done.rows_affected())))
    }
}
