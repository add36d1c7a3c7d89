//! One connection before there is a pool: a pool tries in silence for long, and then says only that it tried.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use crate::error::StoreError;

/// How long a server may take to accept a connection.
const ANSWER: Duration = Duration::from_secs(5);

/// Pauses between tries: doubled from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Connects, and while the server does not answer, tries again for so long: it may be about to start.
pub(super) async fn wait(options: &PgConnectOptions, patience: Duration) -> Result<(), StoreError> {
    repeat(patience, || once(options, ANSWER)).await
}

async fn repeat<F>(patience: Duration, mut connect: impl FnMut() -> F) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    let end = Instant::now() + patience;
    let (mut pause, longest) = PAUSES;
    let mut is_told = false;
    loop {
        let error = match connect().await {
            Ok(()) => {
                if is_told {
                    tracing::info!("the database answers");
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || !may_pass(&error) {
            return Err(error);
        }
        if !is_told {
            let cause = error.source().map_or_else(String::new, ToString::to_string);
            tracing::warn!("{error}: {cause}; trying again for {} seconds", patience.as_secs());
            is_told = true;
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// Whether it may be a matter of time: nobody answers, or who answers is starting, stopping or busy. A wrong password
/// stays wrong. Codes are in appendix A of PostgreSQL's manual.
fn may_pass(error: &StoreError) -> bool {
    let StoreError::Unreachable { source, .. } = error else { return false };
    match source {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            code.starts_with("57P") || code.starts_with("53")
        }
        _ => false,
    }
}

/// Connects once, or tells where to and why not.
async fn once(options: &PgConnectOptions, patience: Duration) -> Result<(), StoreError> {
    let connected = tokio::time::timeout(patience, PgConnection::connect_with(options)).await;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {patience:?}"));
    match connected.unwrap_or_else(|_| Err(late().into())) {
        Ok(connection) => {
            // It has served its purpose; the server notices its end in any case.
            let _ = connection.close().await;
            Ok(())
        }
        Err(source) => Err(StoreError::Unreachable { host: host(options), database: database(options), source }),
    }
}

fn host(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// PostgreSQL takes the user's name for that of the database where none is given.
fn database(options: &PgConnectOptions) -> String {
    options.get_database().unwrap_or_else(|| options.get_username()).to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn refused(port: u16, patience: Duration) -> StoreError {
        let url = format!("postgres://killick:hunter2@127.0.0.1:{port}/scans");
        once(&url.parse().unwrap(), patience).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = refused(port, Duration::from_mins(1)).await;
        assert_eq!(error.to_string(), format!("cannot connect to the database `scans` on `127.0.0.1:{port}`"));
        assert!(error.source().unwrap().to_string().contains("refused"), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = refused(listener.local_addr().unwrap().port(), Duration::from_millis(1)).await;
        assert!(error.source().unwrap().to_string().contains("no answer within 1ms"), "{error:?}");
    }

    fn unreachable(source: sqlx::Error) -> StoreError {
        StoreError::Unreachable { host: "db:5432".to_owned(), database: "scans".to_owned(), source }
    }

    fn refused_connection() -> StoreError {
        unreachable(io::Error::from(io::ErrorKind::ConnectionRefused).into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_starts_late_is_waited_for() {
        let mut tries = 0;
        let begun = Instant::now();
        let outcome = repeat(Duration::from_mins(1), || {
            tries += 1;
            std::future::ready(if tries < 8 { Err(refused_connection()) } else { Ok(()) })
        });
        assert!(outcome.await.is_ok());
        // Nothing but the pauses moves this clock: 0.25, 0.5, 1, 2, 4, 5, 5.
        assert_eq!(begun.elapsed(), Duration::from_millis(17_750));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let begun = Instant::now();
        let error = repeat(Duration::from_mins(1), || std::future::ready(Err(refused_connection()))).await;
        assert_eq!(error.unwrap_err().to_string(), "cannot connect to the database `scans` on `db:5432`");
        assert_eq!(begun.elapsed(), Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn without_patience_one_try_is_made() {
        let mut tries = 0;
        let outcome = repeat(Duration::ZERO, || {
            tries += 1;
            std::future::ready(Err(refused_connection()))
        });
        assert!(outcome.await.is_err());
        assert_eq!(tries, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_does_not_mend_is_told_at_once() {
        let begun = Instant::now();
        let outcome = repeat(Duration::from_mins(1), || {
            std::future::ready(Err(unreachable(sqlx::Error::Protocol("no PostgreSQL".to_owned()))))
        });
        assert!(outcome.await.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
