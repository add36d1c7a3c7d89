//! One connection before there is a pool: a pool tries in silence for long, and then says only that it tried.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::error::StoreError;

/// How long a server may take to accept a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Connects once, or tells where to and why not.
pub(super) async fn once(options: &PgConnectOptions, patience: Duration) -> Result<(), StoreError> {
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
    use std::error::Error as _;

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
}
