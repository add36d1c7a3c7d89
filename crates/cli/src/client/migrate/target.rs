//! What our server has of it, and bringing it there.

use std::collections::{BTreeMap, BTreeSet};

use killick_policy::{Bundle, ProblemSeverity, default_bundle};
use serde_json::{Map, Value, json};

use super::super::Failure;
use super::super::api::{Api, percent_encode, python_bool};
use super::items::{Document, IMPORTED, Item, Kind};
use super::told;

/// How the server stands to an item.
pub(super) enum State {
    Missing,
    There,
    /// It is there, and not the same: what is otherwise.
    Otherwise(String),
    /// A person has to bring it.
    ByHand(String),
    /// It is missing, and may not be had: why.
    Doubtful(String),
    /// The server would not take it.
    Refused(String),
}

/// One account of our server.
pub(super) struct Target {
    /// Asks in the account.
    api: Api,
    /// Asks about accounts.
    root: Api,
    account: Option<String>,
    is_missing: Option<bool>,
    to_disable: bool,
    validate: bool,
    /// What would be there after a run that changes nothing.
    noted: BTreeSet<(Kind, String)>,
    lists: BTreeMap<String, Vec<Value>>,
}

const POLICIES: &str = "/policies";
const RULES: &str = "/archives/rules";
const SUBSCRIPTIONS: &str = "/subscriptions";
/// Members of a rule, apart from who made it and when.
const RULE: &[&str] = &[
    "transition",
    "analysis_age_days",
    "tag_versions_newer",
    "max_images_per_account",
    "selector",
    "exclude",
    "system_global",
];

impl Target {
    pub(super) fn of(api: &Api, account: Option<&str>, skip_validate: bool) -> Self {
        Self {
            api: account.map_or_else(|| api.clone(), |name| api.in_account(name)),
            root: api.clone(),
            account: account.map(str::to_owned),
            is_missing: None,
            to_disable: false,
            validate: !skip_validate,
            noted: BTreeSet::new(),
            lists: BTreeMap::new(),
        }
    }

    pub(super) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Takes it for being there from now on.
    pub(super) fn note(&mut self, item: &Item) {
        self.noted.insert((item.kind, item.name.clone()));
    }

    /// How the server stands to the item.
    pub(super) async fn look(&mut self, item: &Item, password: Option<&str>, replace: bool) -> Result<State, Failure> {
        let is_missing = self.is_missing().await?;
        if item.kind == Kind::Account {
            return Ok(if is_missing { State::Missing } else { State::There });
        }
        if is_missing && !self.noted.iter().any(|(kind, _)| *kind == Kind::Account) {
            return Ok(State::Refused("its account is not on the server".to_owned()));
        }
        let record = &item.record;
        Ok(match item.kind {
            Kind::User => {
                let path = self.users().await?;
                if self.list(&path, &[]).await?.iter().any(|user| user["username"] == item.name.as_str()) {
                    State::There
                } else if record["type"].as_str().is_some_and(|kind| kind != "native") {
                    State::ByHand("its passwords are kept elsewhere".to_owned())
                } else if password.is_none() {
                    let name =
                        self.account.as_ref().map_or_else(|| item.name.clone(), |name| format!("{name}/{}", item.name));
                    State::ByHand(format!(
                        "its password is not told: put `{name}` under `users:` of `--passwords FILE`"
                    ))
                } else {
                    State::Missing
                }
            }
            Kind::Registry => {
                let known = self.find("/registries", |known| known["registry"] == item.name.as_str()).await?;
                let has_password = password.is_some() || !needs_password(record);
                let other = known.as_ref().map(|known| differences(known, record));
                match other {
                    Some(other) if other.is_empty() => State::There,
                    Some(other) if !replace || has_password => {
                        State::Otherwise(format!("it is there with another {}", other.join(", ")))
                    }
                    None if has_password => State::Missing,
                    _ => State::ByHand(no_password(item)),
                }
            }
            Kind::Policy => {
                if let Some(why) = refusal(record) {
                    return Ok(State::Refused(why));
                }
                match self.policy(&item.name).await? {
                    Some(known) if known["policybundle"] == *record => State::There,
                    Some(known) if known["policybundle"] != default_bundle() => {
                        State::Otherwise("the server has another bundle of this id".to_owned())
                    }
                    _ => State::Missing,
                }
            }
            Kind::Active => {
                if self.policy(&item.name).await?.is_none() && !self.noted.contains(&(Kind::Policy, item.name.clone()))
                {
                    let how = "its bundle is not there: `anchore-cli --json policy get ID --detail` prints it";
                    return Ok(State::ByHand(how.to_owned()));
                }
                match self.find(POLICIES, |known| known["active"] == true).await? {
                    Some(known) if known["policyId"] == item.name.as_str() => State::There,
                    // Nobody chose the one that accounts begin with.
                    Some(known) if known["policybundle"] != default_bundle() => State::Otherwise(format!(
                        "the policy `{}` is active there",
                        known["policyId"].as_str().unwrap_or_default()
                    )),
                    _ => State::Missing,
                }
            }
            Kind::Subscription | Kind::Repository => match self.subscription(record).await? {
                Some(known) if known["active"] == record["active"] => State::There,
                // The server makes them, off, with the image: that is nobody's choice.
                Some(known) if known["active"] == false && known["created_at"] == known["last_updated"] => {
                    State::Missing
                }
                Some(known) => {
                    State::Otherwise(format!("it is {} there", if known["active"] == true { "on" } else { "off" }))
                }
                None => State::Missing,
            },
            Kind::Image => match self.image(&item.name).await? {
                Some(known) if tags(record).all(|tag| tags(&known).any(|other| other == tag)) => State::There,
                _ if tags(record).next().is_none() => State::ByHand("it has no tag: it cannot be asked for".to_owned()),
                None if item.is_imported() => State::Doubtful(
                    "it was imported, so that its registry may not have it: import it into the new server again, or archive it \
                     with the old one, whose documents need no registry"
                        .to_owned(),
                ),
                _ => State::Missing,
            },
            Kind::Rule => {
                let is_same = |known: &Value| RULE.iter().all(|name| known.get(*name) == record.get(*name));
                if self.find(RULES, is_same).await?.is_some() { State::There } else { State::Missing }
            }
            Kind::Archive => return self.look_at_archive(item).await,
            Kind::Account | Kind::File => State::There,
        })
    }

    async fn look_at_archive(&self, item: &Item) -> Result<State, Failure> {
        if let Some(document @ Document::File(_)) = &item.document {
            return Ok(match killick_server::check_archive(&document.read(&item.name).await?) {
                Ok(()) => State::Missing,
                Err(why) => State::Refused(why),
            });
        }
        let path = format!("/archives/images/{}", percent_encode(&item.name));
        let is_archived = found(self.api.get(&path, &[]).await)?.is_some();
        if is_archived || self.image(&item.name).await?.is_some() {
            return Ok(State::There);
        }
        Ok(match &item.document {
            // A document may be large: it is fetched when it is brought.
            Some(_) => State::Missing,
            None => State::ByHand(
                "the old service does not hand out what it archived: copy its documents (`.tar.gz`) out of its storage into a \
                 folder, and run `killick migrate FOLDER`"
                    .to_owned(),
            ),
        })
    }

    /// Brings the item. `is_there` says that it takes the place of another.
    pub(super) async fn put(&mut self, item: &Item, password: Option<&str>, is_there: bool) -> Result<(), Failure> {
        let record = &item.record;
        match item.kind {
            Kind::Account => {
                let mut body = Map::from_iter([("name".to_owned(), json!(item.name))]);
                if record["email"].is_string() {
                    body.insert("email".to_owned(), record["email"].clone());
                }
                self.root.send("POST", "/accounts", &[], Some(&Value::Object(body))).await?;
                self.is_missing = Some(false);
                self.to_disable = record["state"] == "disabled";
            }
            Kind::User => {
                let path = self.users().await?;
                let body = json!({"username": item.name, "password": password.unwrap_or_default()});
                self.root.send("POST", &path, &[], Some(&body)).await?;
                self.lists.remove(&path);
            }
            Kind::Registry => {
                let Some(password) = password.or_else(|| (!needs_password(record)).then_some("")) else {
                    return Err(Failure::local(no_password(item)));
                };
                let (method, path) = if is_there {
                    ("PUT", format!("/registries/{}", percent_encode(&item.name)))
                } else {
                    ("POST", "/registries".to_owned())
                };
                let query = [("validate", python_bool(self.validate))];
                self.api.send(method, &path, &query, Some(&registry(record, password))).await?;
                self.lists.remove("/registries");
            }
            Kind::Policy => {
                if self.policy(&item.name).await?.is_some() {
                    self.put_policy(&item.name, record.clone(), None).await?;
                } else {
                    self.api.send("POST", POLICIES, &[], Some(record)).await?;
                }
                self.lists.remove(POLICIES);
            }
            Kind::Active => {
                let known = self.policy(&item.name).await?.unwrap_or_default();
                self.put_policy(&item.name, known["policybundle"].clone(), Some(true)).await?;
                self.lists.remove(POLICIES);
            }
            Kind::Subscription | Kind::Repository => {
                let mut body = json!({
                    "subscription_key": record["subscription_key"], "subscription_type": record["subscription_type"],
                    "active": record["active"] == true,
                });
                if item.kind == Kind::Repository && record["subscription_value"].is_string() {
                    body["subscription_value"] = record["subscription_value"].clone();
                }
                match self.subscription(record).await? {
                    Some(known) => {
                        let id = known["subscription_id"].as_str().unwrap_or_default();
                        let path = format!("{SUBSCRIPTIONS}/{}", percent_encode(id));
                        self.api.send("PUT", &path, &[], Some(&body)).await?;
                    }
                    None => {
                        self.api.send("POST", SUBSCRIPTIONS, &[], Some(&body)).await?;
                    }
                }
                self.lists.remove(SUBSCRIPTIONS);
            }
            Kind::Image => self.put_image(item).await?,
            Kind::Rule => {
                let members = RULE.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())));
                let mut body: Map<String, Value> = members.filter(|(_, value)| !value.is_null()).collect();
                if body.contains_key("max_images_per_account") {
                    body.retain(|name, _| name != "selector" && name != "exclude");
                }
                self.api.send("POST", RULES, &[], Some(&Value::Object(body))).await?;
                self.lists.remove(RULES);
            }
            Kind::Archive => {
                let Some(document) = &item.document else { return Ok(()) };
                let bytes = document.read(&item.name).await?;
                match self.api.upload("/import/images", "archive_file", &bytes).await {
                    Err(failure) if failure.message().contains("is there: it cannot be restored") => {}
                    sent => drop(sent?),
                }
            }
            Kind::File => {}
        }
        Ok(())
    }

    /// Disables the account if it was, now that everything is there.
    pub(super) async fn finish(&self) -> Result<(), Failure> {
        let Some(name) = self.account.as_ref().filter(|_| self.to_disable) else { return Ok(()) };
        let path = format!("/accounts/{}/state", percent_encode(name));
        self.root.send("PUT", &path, &[], Some(&json!({"state": "disabled"}))).await.map(drop)
    }

    async fn put_policy(&self, id: &str, bundle: Value, active: Option<bool>) -> Result<(), Failure> {
        let known = self.api.get(&format!("{POLICIES}/{}", percent_encode(id)), &[("detail", "True")]).await?;
        let Some(record) = known.body[0].as_object() else {
            return Err(Failure::local(format!("the server answers something else than the policy `{id}`")));
        };
        let mut body = record.clone();
        body.insert("policybundle".to_owned(), bundle);
        if let Some(active) = active {
            body.insert("active".to_owned(), json!(active));
        }
        self.api.send("PUT", &format!("{POLICIES}/{}", percent_encode(id)), &[], Some(&body.into())).await.map(drop)
    }

    /// Every tag of the image that the server does not have, as of when the old service saw it. One that fails spares the others.
    async fn put_image(&self, item: &Item) -> Result<(), Failure> {
        let record = &item.record;
        let known = self.image(&item.name).await?;
        let mut annotations = record["annotations"].as_object().cloned().unwrap_or_default();
        // It is pulled now.
        annotations.remove(IMPORTED);
        // A Dockerfile comes with the image: the server takes none for one that it knows.
        let is_actual = record["image_content"]["metadata"]["dockerfile_mode"] == "Actual";
        let mut takes_dockerfile = known.is_none() && is_actual;
        let mut failures = Vec::new();
        for detail in record["image_detail"].as_array().into_iter().flatten() {
            let (Some(tag), Some(digest)) = (detail["fulltag"].as_str(), detail["fulldigest"].as_str()) else {
                continue;
            };
            if known.as_ref().is_some_and(|known| tags(known).any(|other| other == tag)) {
                continue;
            }
            let seen = [&detail["tag_detected_at"], &detail["created_at"], &record["created_at"]];
            let mut source = json!({"pullstring": digest, "tag": tag});
            if let Some(seen) = seen.into_iter().find(|seen| seen.is_string()) {
                source["creation_timestamp_override"] = seen.clone();
            }
            if takes_dockerfile && detail["dockerfile"].is_string() {
                source["dockerfile"] = detail["dockerfile"].clone();
            }
            let mut body = json!({"source": {"digest": source}});
            if !annotations.is_empty() {
                body["annotations"] = Value::Object(annotations.clone());
            }
            match self.api.send("POST", "/images", &[("autosubscribe", "False")], Some(&body)).await {
                Ok(_) => takes_dockerfile = false,
                Err(failure) => failures.push(format!("`{tag}`: {}", told(&failure))),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Failure::local(failures.join("; "))) }
    }

    async fn is_missing(&mut self) -> Result<bool, Failure> {
        if let (Some(name), None) = (&self.account, self.is_missing) {
            let path = format!("/accounts/{}", percent_encode(name));
            self.is_missing = Some(found(self.root.get(&path, &[]).await)?.is_none());
        }
        Ok(self.is_missing.unwrap_or(false))
    }

    /// Users of the account.
    async fn users(&self) -> Result<String, Failure> {
        let name = match &self.account {
            Some(name) => name.clone(),
            None => self.api.get("/account", &[]).await?.body["name"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(format!("/accounts/{}/users", percent_encode(&name)))
    }

    async fn list(&mut self, path: &str, query: &[(&str, &str)]) -> Result<&[Value], Failure> {
        if !self.lists.contains_key(path) {
            let records = if self.is_missing().await? { Value::Null } else { self.api.get(path, query).await?.body };
            self.lists.insert(path.to_owned(), records.as_array().cloned().unwrap_or_default());
        }
        Ok(self.lists.get(path).map_or(&[], Vec::as_slice))
    }

    async fn find(&mut self, path: &str, is_it: impl Fn(&Value) -> bool) -> Result<Option<Value>, Failure> {
        let query: &[(&str, &str)] = if path == POLICIES { &[("detail", "True")] } else { &[] };
        Ok(self.list(path, query).await?.iter().find(|record| is_it(record)).cloned())
    }

    async fn policy(&mut self, id: &str) -> Result<Option<Value>, Failure> {
        self.find(POLICIES, |known| known["policyId"] == id).await
    }

    async fn subscription(&mut self, record: &Value) -> Result<Option<Value>, Failure> {
        let names = ["subscription_key", "subscription_type"];
        self.find(SUBSCRIPTIONS, |known| names.iter().all(|name| known[*name] == record[*name])).await
    }

    async fn image(&self, digest: &str) -> Result<Option<Value>, Failure> {
        if self.is_missing == Some(true) {
            return Ok(None);
        }
        let reply = found(self.api.get(&format!("/images/{}", percent_encode(digest)), &[]).await)?;
        Ok(reply.map(|images| images[0].clone()).filter(Value::is_object))
    }
}

/// What was found, or that it is not there.
fn found(reply: Result<super::super::Reply, Failure>) -> Result<Option<Value>, Failure> {
    match reply {
        Ok(reply) => Ok(Some(reply.body)),
        Err(failure) if failure.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn tags(image: &Value) -> impl Iterator<Item = &str> {
    image["image_detail"].as_array().into_iter().flatten().filter_map(|detail| detail["fulltag"].as_str())
}

fn needs_password(registry: &Value) -> bool {
    registry["registry_user"].as_str().is_some_and(|user| !user.is_empty())
}

fn no_password(item: &Item) -> String {
    let name = &item.name;
    format!(
        "its password is not told: put `{name}` under `registries:` of `--passwords FILE`, or run `killick registry add {name} USER PASSWORD`"
    )
}

/// What is otherwise, apart from the password.
fn differences(known: &Value, wanted: &Value) -> Vec<&'static str> {
    const MEMBERS: [(&str, &str); 4] = [
        ("registry_user", "user"),
        ("registry_type", "type"),
        ("registry_verify", "setting for TLS"),
        ("registry_name", "name"),
    ];
    let (known, wanted) = (registry(known, ""), registry(wanted, ""));
    MEMBERS.iter().filter(|(member, _)| known[*member] != wanted[*member]).map(|(_, word)| *word).collect()
}

/// The request that saves a registry like this one.
fn registry(record: &Value, password: &str) -> Value {
    let kind = record["registry_type"].as_str().filter(|kind| *kind == "awsecr").unwrap_or("docker_v2");
    let name = record["registry_name"].as_str().or_else(|| record["registry"].as_str());
    json!({
        "registry": record["registry"],
        "registry_user": record["registry_user"].as_str().unwrap_or_default(),
        "registry_pass": password,
        "registry_type": kind,
        "registry_verify": record["registry_verify"] != false,
        "registry_name": name,
    })
}

/// Why a server would not save the bundle.
fn refusal(document: &Value) -> Option<String> {
    let bundle = match Bundle::parse(document) {
        Ok(bundle) => bundle,
        Err(error) => return Some(error.to_string()),
    };
    let shape = Bundle::check_schema(document);
    let problems = if shape.is_empty() { bundle.validate() } else { shape };
    let first = problems.into_iter().find(|problem| problem.severity == ProblemSeverity::Error)?;
    Some(format!("the server refuses it: `{}`: {}", first.path, first.reason))
}
