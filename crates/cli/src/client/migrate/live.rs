//! What a running service has.

use serde_json::Value;

use super::super::Failure;
use super::super::api::{Api, Reply, percent_encode};
use super::items::{Account, Document, Export, Kind};
use super::told;

/// Asks for everything; of all accounts if the user may see them.
pub(super) async fn read(api: &Api) -> Result<Export, Failure> {
    api.check_access().await.map_err(|failure| {
        let hint = format!(
            "is the old service running at {}? `--from` has its address, with `/v1` at the end",
            api.settings.url
        );
        failure.hinting(&hint)
    })?;
    let own = match api.get("/account", &[]).await {
        Ok(reply) => reply.body["name"].as_str().unwrap_or_default().to_owned(),
        Err(failure) if failure.is_not_found() => String::new(),
        Err(failure) => {
            let message = format!("the old service does not let us in: {}", told(&failure));
            return Err(Failure::local(message)
                .hinting("`--from-user` and `--from-pass` (KILLICK_FROM_PASS) say who you are there"));
        }
    };
    // Whoever is no administrator brings what is theirs.
    let accounts = match api.get("/accounts", &[]).await {
        Ok(reply) => reply.body,
        Err(_) => Value::Null,
    };
    let mut export = Export::default();
    let Some(accounts) = accounts.as_array() else {
        let mut account = Account::default();
        read_account(api, &mut account, true, &mut export.unread).await;
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
        let path = format!("/accounts/{}/users", percent_encode(name));
        for user in records(api, &path, &[], &mut export.unread).await {
            // Whoever calls is there on the other side too.
            if !is_own || user["username"].as_str() != api.settings.user.as_deref() {
                account.take(&user);
            }
        }
        read_account(&api.in_account(name), &mut account, is_own, &mut export.unread).await;
        export.accounts.push(account);
    }
    Ok(export)
}

type Unread = Vec<(String, String)>;

async fn read_account(api: &Api, account: &mut Account, is_own: bool, unread: &mut Unread) {
    let lists: [(&str, &[(&str, &str)]); 6] = [
        ("/registries", &[]),
        ("/policies", &[("detail", "True")]),
        ("/subscriptions", &[]),
        ("/images", &[("history", "true")]),
        ("/archives/rules", &[]),
        ("/archives/images", &[]),
    ];
    for (path, query) in lists {
        for record in records(api, path, query, unread).await {
            // Rules for all accounts are told to each.
            if is_own || record["system_global"] != true {
                account.take(&record);
            }
        }
    }
    if account.items.iter().any(|item| item.kind == Kind::Archive) && hands_out_documents(api).await {
        for item in account.items.iter_mut().filter(|item| item.kind == Kind::Archive) {
            item.document = Some(Document::Old(Box::new(api.clone())));
        }
    }
}

/// Whether the service hands out what it archived: it then says that there is no such image, and not that there is no such path.
async fn hands_out_documents(api: &Api) -> bool {
    let nobodys = format!("sha256:{}", "0".repeat(64));
    match api.get(&Document::path(&nobodys), &[]).await {
        Ok(_) => true,
        Err(failure) => failure.is_not_found() && !failure.is_not_understood(),
    }
}

/// A list of the service; what it does not tell is told, and spares the rest.
async fn records(api: &Api, path: &str, query: &[(&str, &str)], unread: &mut Unread) -> Vec<Value> {
    match api.get(path, query).await {
        Ok(Reply { body: Value::Array(records) }) => records,
        Ok(_) => {
            unread.push((path.to_owned(), "the old service answers with something else than a list".to_owned()));
            Vec::new()
        }
        Err(failure) => {
            unread.push((path.to_owned(), told(&failure)));
            Vec::new()
        }
    }
}
