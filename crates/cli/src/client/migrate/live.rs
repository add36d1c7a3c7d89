//! What a running service has.

use serde_json::Value;

use super::super::Failure;
use super::super::api::{Api, percent_encode};
use super::items::{Account, Export, Kind};

/// Asks for everything; of all accounts if the user may see them.
pub(super) async fn read(api: &Api) -> Result<Export, Failure> {
    api.check_access().await?;
    let own = api.get("/account", &[]).await?.body["name"].as_str().unwrap_or_default().to_owned();
    // Whoever is no administrator brings what is theirs.
    let accounts = match api.get("/accounts", &[]).await {
        Ok(reply) => reply.body,
        Err(_) => Value::Null,
    };
    let mut export = Export::default();
    let Some(accounts) = accounts.as_array() else {
        let mut account = Account::default();
        read_account(api, &mut account, true).await?;
        export.accounts.push(account);
        return Ok(export);
    };
    for record in accounts {
        let Some(name) = record["name"].as_str() else { continue };
        if record["type"] == "service" || record["state"] == "deleting" {
            continue;
        }
        let is_own = name == own;
        // The own account goes into that of whoever migrates.
        let mut account = Account { name: (!is_own).then(|| name.to_owned()), items: Vec::new() };
        if !is_own {
            account.add(Kind::Account, name, record.clone());
        }
        let users = api.get(&format!("/accounts/{}/users", percent_encode(name)), &[]).await?.body;
        for user in users.as_array().into_iter().flatten() {
            // Whoever calls is there on the other side too.
            if !is_own || user["username"].as_str() != api.settings.user.as_deref() {
                account.take(user);
            }
        }
        read_account(&api.in_account(name), &mut account, is_own).await?;
        export.accounts.push(account);
    }
    Ok(export)
}

async fn read_account(api: &Api, account: &mut Account, is_own: bool) -> Result<(), Failure> {
    for (path, query) in [
        ("/registries", &[][..]),
        ("/policies", &[("detail", "True")]),
        ("/subscriptions", &[]),
        ("/images", &[("history", "true")]),
        ("/archives/rules", &[]),
        ("/archives/images", &[]),
    ] {
        let records = api.get(path, query).await?.body;
        for record in records.as_array().into_iter().flatten() {
            // Rules for all accounts are told to each.
            if is_own || record["system_global"] != true {
                account.take(record);
            }
        }
    }
    Ok(())
}
