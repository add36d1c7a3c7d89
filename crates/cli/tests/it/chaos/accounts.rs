//! Accounts that are disabled and removed while their images are analysed and watched.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::dice::Dice;
use super::{Tag, World};

const ACCOUNTS: [&str; 3] = ["leaving0", "leaving1", "leaving2"];

/// What an account may own, as lists.
const LISTS: [&str; 7] = [
    "/v2/images",
    "/v2/subscriptions",
    "/v2/alerts",
    "/v2/notifications",
    "/v2/exceptions",
    "/v2/archive/images",
    "/v2/archive/rules",
];

impl World {
    /// Fills the accounts, removes each at some time, and makes new ones of the same names; the tags of the old ones.
    pub(super) async fn remove_accounts(&self) -> Vec<Tag> {
        let mut dice = Dice::new(self.seed, "leaving");
        let removed = ACCOUNTS.map(|account| self.fill_and_remove(account, dice.below(8000)));
        join_all(removed).await.into_iter().flatten().collect()
    }

    async fn fill_and_remove(&self, account: &'static str, patience: u64) -> Vec<Tag> {
        self.make_account(account).await;
        let call = async |user, method, path: &str, body| self.fleet.call(user, method, path, body).await;
        let exception = json!({"id": "own", "select": {"path": "/own"}, "reason": "chaos", "owner": "chaos"});
        let (status, answer) = call(account, "POST", "/v2/exceptions", exception).await;
        assert!(status == 201 || status == 409, "{answer}");
        let selector = json!({"registry": "*", "repository": format!("{account}/app0"), "tag": "*"});
        let rule = json!({"transition": "archive", "selector": selector});
        let (status, answer) = call(account, "POST", "/v2/archive/rules", rule).await;
        assert_eq!(status, 201, "{answer}");
        let names = (0..=2 * self.share()).map(|number| format!("{account}/app{number}:latest"));
        let watched = ["policy_eval", "alerts", "vuln_update", "tag_update"];
        let tags = join_all(names.map(|name| self.add(account, name, &watched))).await;
        tokio::time::sleep(Duration::from_millis(patience)).await;
        let path = format!("/v1/accounts/{account}");
        let (status, answer) = call("admin", "PUT", &format!("{path}/state"), json!({"state": "disabled"})).await;
        assert_eq!(status, 200, "{answer}");
        call("admin", "DELETE", &path, Value::Null).await;
        let is_gone = async || call("admin", "GET", &path, Value::Null).await.0 == 404;
        self.wait_until(&format!("the account `{account}` is gone"), is_gone).await;
        self.make_account(account).await;
        tags
    }

    /// The new accounts have nothing of the old ones, of whom nothing was told twice.
    pub(super) async fn check_left(&self, left: &[Tag]) {
        for account in ACCOUNTS {
            for list in LISTS {
                assert_eq!(self.get(account, list).await["items"], json!([]), "{list} of {account}");
            }
            assert_eq!(self.get(account, "/v1/policies").await.as_array().map(Vec::len), Some(1), "{account}");
            self.check_analyses(account, 0).await;
        }
        // What the rule archived, whoever lost the answer to adding it may have added again: that is another analysis.
        let is_chosen = |tag: &&Tag| tag.name.ends_with("/app0:latest");
        let others: Vec<String> = left.iter().filter(|tag| !is_chosen(tag)).map(|tag| self.full(tag)).collect();
        let is_theirs = |tag: &str| others.iter().any(|other| other == tag);
        let told = self.receiver.told().into_iter();
        let twice: Vec<_> = told.filter(|((_, _, tag, _), times)| *times > 1 && is_theirs(tag)).collect();
        assert!(twice.is_empty(), "told under two identities: {twice:?}");
    }
}
