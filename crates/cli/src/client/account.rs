//! `killick account`: accounts, and the users in them.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::api::{Api, Failure, percent_encode};
use super::columns::{Columns, Shown, fields};
use super::{Done, Outcome, confirmation, python};

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Add a new account (with no populated users by default)
    Add(Add),
    /// Delete an account (must be disabled first)
    Del(Del),
    /// Disable an enabled account
    Disable(Named),
    /// Enable a disabled account
    Enable(Named),
    /// Get account information
    Get(Named),
    /// List information about all accounts (admin only)
    List,
    /// Account user operations
    #[command(subcommand)]
    User(UserCommand),
    /// Get current account/user information
    Whoami,
}

/// An account by name.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the account
    account_name: String,
}

/// Arguments of `account add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Name of the new account
    account_name: String,
    /// Email address associated with the account
    #[arg(long)]
    email: Option<String>,
}

/// Arguments of `account del`.
#[derive(Debug, Args)]
pub(crate) struct Del {
    /// Name of the account
    account_name: String,
    /// Do not ask
    #[arg(long)]
    dontask: bool,
}

/// What can be done with the users of an account.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a new user
    Add(AddUser),
    /// Delete a user
    Del(User),
    /// Get information about a user
    Get(User),
    /// Get a list of account users
    List {
        /// Whose users (default: those of your account)
        #[arg(long)]
        account: Option<String>,
    },
    /// (Re)set a user's password credential
    Setpassword(Password),
}

/// Arguments of `account user add`.
#[derive(Debug, Args)]
pub(crate) struct AddUser {
    /// Name of the new user
    user_name: String,
    /// Password, of 6 to 128 characters
    #[arg(value_name = "USER_PASSWORD")]
    password: String,
    /// Whose user (default: your account's)
    #[arg(long)]
    account: Option<String>,
}

/// A user by name.
#[derive(Debug, Args)]
pub(crate) struct User {
    /// Name of the user
    user_name: String,
    /// Whose user (default: your account's)
    #[arg(long)]
    account: Option<String>,
}

/// Arguments of `account user setpassword`.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// The new password
    #[arg(value_name = "USER_PASSWORD")]
    new: String,
    /// Name of the user (default: you)
    #[arg(long)]
    username: Option<String>,
    /// Whose user (default: your account's)
    #[arg(long)]
    account: Option<String>,
}

pub(super) async fn run(api: &Api, command: AccountCommand) -> Outcome {
    let account = api.get("/account", &[]).await.map_err(unfit)?.body;
    let user = api.get("/user", &[]).await.map_err(unfit)?.body;
    match command {
        AccountCommand::Whoami => {
            let body = json!({ "account": account, "user": user });
            Ok(Done::render(api, &super::Reply { body }, whoami))
        }
        AccountCommand::Add(args) => {
            let mut body = Map::from_iter([("name".to_owned(), json!(args.account_name))]);
            body.extend(args.email.map(|email| ("email".to_owned(), json!(email))));
            let reply = api.send("POST", "/accounts", &[], Some(&Value::Object(body))).await?;
            Ok(Done::render(api, &reply, render))
        }
        AccountCommand::Get(named) => {
            let reply = api.get(&path(&named.account_name), &[]).await?;
            Ok(Done::render(api, &reply, render))
        }
        AccountCommand::List => {
            let reply = api.get("/accounts", &[]).await?;
            Ok(Done::render(api, &reply, render_list))
        }
        AccountCommand::Enable(named) => change(api, &named.account_name, "enabled").await,
        AccountCommand::Disable(named) => change(api, &named.account_name, "disabled").await,
        AccountCommand::Del(args) => delete(api, &args).await,
        AccountCommand::User(command) => users(api, command, &account, &user).await,
    }
}

/// Without knowing who asks, nothing is done: the exit code is that of a server that cannot be used.
fn unfit(failure: Failure) -> Failure {
    failure.ending(crate::exit::Exit::Failure)
}

fn path(account: &str) -> String {
    format!("/accounts/{}", percent_encode(account))
}

async fn change(api: &Api, account: &str, state: &str) -> Outcome {
    let reply = api.send("PUT", &format!("{}/state", path(account)), &[], Some(&json!({ "state": state }))).await?;
    Ok(Done::success(api, &reply))
}

async fn delete(api: &Api, args: &Del) -> Outcome {
    let name = &args.account_name;
    let question = format!(
        "This operation is irreversible. Really delete account {name} along with *all* users and resources associated with \
         this account? (y/N)"
    );
    if !args.dontask && !confirmation::is_meant(&question)? {
        return Ok(Done::silent());
    }
    let reply = api.send("DELETE", &path(name), &[], None).await.map_err(|failure| {
        if failure.message().contains("Invalid account state change requested") {
            failure.noting(&format!(
                "\nNOTE: accounts must be disabled (killick account disable {name}) in order to be deleted\n"
            ))
        } else {
            failure
        }
    })?;
    Ok(Done::success(api, &reply))
}

async fn users(api: &Api, command: UserCommand, account: &Value, user: &Value) -> Outcome {
    let whose = |named: Option<String>| named.unwrap_or_else(|| python::field(account, "name"));
    match command {
        UserCommand::Add(args) => {
            if !(6..=128).contains(&args.password.chars().count()) {
                return Err(Failure::local(
                    "Please enter a password at least 6 characters long that contains no spaces.",
                ));
            }
            let body = json!({ "username": args.user_name, "password": args.password });
            let reply = api.send("POST", &format!("{}/users", path(&whose(args.account))), &[], Some(&body)).await?;
            Ok(Done::render(api, &reply, render_user))
        }
        UserCommand::Del(args) => {
            let reply = api.send("DELETE", &user_path(&whose(args.account), &args.user_name), &[], None).await?;
            Ok(Done::success(api, &reply))
        }
        UserCommand::Get(args) => {
            let reply = api.get(&user_path(&whose(args.account), &args.user_name), &[]).await?;
            Ok(Done::render(api, &reply, render_user))
        }
        UserCommand::List { account: named } => {
            let reply = api.get(&format!("{}/users", path(&whose(named))), &[]).await?;
            Ok(Done::render(api, &reply, render_users))
        }
        UserCommand::Setpassword(args) => {
            let name = args.username.unwrap_or_else(|| python::field(user, "username"));
            let path = format!("{}/credentials", user_path(&whose(args.account), &name));
            let body = json!({ "type": "password", "value": args.new });
            let reply = api.send("POST", &path, &[], Some(&body)).await?;
            let note = "NOTE: Be sure to change the password you're using for this client if you have reset your own \
                        password";
            let mut done = Done::render(api, &reply, |_| Some("Password (re)set success".to_owned()));
            done.text = done.text.map(|text| format!("{text}\n{note}"));
            Ok(done)
        }
    }
}

fn user_path(account: &str, user: &str) -> String {
    format!("{}/users/{}", path(account), percent_encode(user))
}

fn or_missing(record: &Value, key: &str) -> String {
    record.get(key).map_or_else(|| "N/A".to_owned(), python::str)
}

fn whoami(body: &Value) -> Option<String> {
    body.as_object()?;
    let (user, account) = (&body["user"], &body["account"]);
    Some(fields(&[
        ("Username", or_missing(user, "username")),
        ("AccountName", or_missing(account, "name")),
        ("AccountEmail", or_missing(account, "email")),
        ("AccountType", or_missing(account, "type")),
    ]))
}

/// Columns of an account, and where they are in its record.
const ACCOUNT: [(&str, &str); 5] =
    [("Name", "name"), ("Email", "email"), ("Type", "type"), ("State", "state"), ("Created", "created_at")];

/// Columns of a user.
const USER: [(&str, &str); 4] =
    [("Name", "username"), ("Type", "type"), ("Source", "source"), ("Created", "created_at")];

fn render(account: &Value) -> Option<String> {
    one(account, &ACCOUNT)
}

fn render_list(accounts: &Value) -> Option<Shown> {
    all(accounts, &ACCOUNT)
}

fn render_user(user: &Value) -> Option<String> {
    one(user, &USER)
}

fn render_users(users: &Value) -> Option<Shown> {
    all(users, &USER)
}

fn one(record: &Value, columns: &[(&'static str, &str)]) -> Option<String> {
    record.as_object()?;
    let pairs: Vec<(&str, String)> = columns.iter().map(|(title, key)| (*title, or_missing(record, key))).collect();
    Some(fields(&pairs))
}

/// The oldest first.
fn all(records: &Value, columns: &[(&'static str, &str)]) -> Option<Shown> {
    let titles: Vec<&'static str> = columns.iter().map(|(title, _)| *title).collect();
    let mut table = Columns::new(&titles);
    for record in records.as_array()? {
        table.row(columns.iter().map(|(_, key)| or_missing(record, key)).collect());
    }
    Some(table.sort_by(columns.len() - 1).shown().ending("\n"))
}
