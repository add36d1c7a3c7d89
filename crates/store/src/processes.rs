//! The processes that work on this database, as they say themselves from time to time.

use crate::error::During as _;
use crate::news::News;
use crate::statements as sql;
use crate::{Result, Store};

words! {
    /// What was told of the silence of a process.
    pub enum ProcessState {
        /// Nothing: it is there.
        Up = "up",
        /// That it is down.
        Down = "down",
        /// That it does not come back.
        Orphaned = "orphaned",
    }
}

/// What becomes of a process that is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It is down.
    Down,
    /// It is down and does not come back.
    Orphaned,
    /// It is forgotten.
    Removed,
}

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
        /// What was told since of its silence.
        pub state: ProcessState,
    }
}

impl Store {
    /// Notes that a process is there. It is up again only if by its own clock it has been silent for so many microseconds:
    /// one whose clock is behind would be told as down again and again.
    pub async fn note_process(&self, process: &Process, silence: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::NOTE_PROCESS).bind(&process.id).bind(&process.host).bind(&process.base_url)
            .bind(&process.roles).bind(process.seen_at).bind(silence).execute(db).await.map(drop))
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

    /// Forgets the processes of a host that said nothing since an instant; answers how many.
    pub async fn forget_silent_processes(&self, host: &str, since: i64) -> Result<u64> {
        Ok(change!(self.pool, db => sqlx::query(sql::FORGET_SILENT_PROCESSES).bind(host).bind(since).execute(db).await
            .during("forgetting processes").map(|done| done.rows_affected())))
    }

    /// Notes what becomes of the processes that said nothing since an instant, and writes what is told of each in the same
    /// transaction: once, however many look. `told` is given the process and all that there are. Answers how many became
    /// that.
    pub async fn note_silence(
        &self,
        silence: Silence,
        since: i64,
        told: impl Fn(&Process, &[Process]) -> News + Send + Sync,
        now: i64,
    ) -> Result<usize> {
        const DOING: &str = "noting that processes are silent";
        let (became, sends) = transaction!(self.pool, tx => {
            let all: Vec<Process> = sqlx::query_as(sql::PROCESSES).fetch_all(&mut *tx).await.during(DOING)?;
            let query = match silence {
                Silence::Down => sqlx::query_as(sql::NOTE_SILENT_PROCESSES).bind(ProcessState::Up.as_str())
                    .bind(ProcessState::Down.as_str()),
                Silence::Orphaned => sqlx::query_as(sql::NOTE_SILENT_PROCESSES).bind(ProcessState::Down.as_str())
                    .bind(ProcessState::Orphaned.as_str()),
                Silence::Removed => sqlx::query_as(sql::REMOVE_SILENT_PROCESSES),
            };
            let became: Vec<Process> = query.bind(since).fetch_all(&mut *tx).await.during(DOING)?;
            let news = became.iter().fold(News::default(), |news, process| news.and(told(process, &all)));
            let sends = tell_in!(tx, &news, now);
            (became.len(), sends)
        });
        self.nudge_notices(sends);
        Ok(became)
    }
}
