//! A temporary PostgreSQL: one server for the test process, a database for each test.

#[path = "postgres_server.rs"]
mod server;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::{Mutex, OnceCell};

use server::Server;

static SERVER: OnceCell<Mutex<(Server, u32)>> = OnceCell::const_new();

/// The address of a new, empty database.
pub(crate) async fn database() -> String {
    // Databases are made one by one, because making one locks the template.
    let server = SERVER.get_or_init(|| async { Mutex::new((Server::start(), 0)) }).await;
    let mut guard = server.lock().await;
    let (server, databases) = &mut *guard;
    *databases += 1;
    let name = format!("test{databases}");
    let mut connection = PgConnection::connect(&server.address("postgres")).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create database {name} strategy file_copy"))).await.unwrap();
    connection.close().await.unwrap();
    server.address(&name)
}
