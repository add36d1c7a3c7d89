//! Roles: which of an account's users may do what.
//!
//! A permission is of one kind, a role is a set of kinds. Where a role is given on resources, it allows reading everything in
//! the account, and of the rest what is about these resources alone.

use std::fmt;
use std::ops::BitOr;

use serde_json::Value;

use super::resources::{Pattern, ResourceKind};
use crate::api::permission::Scope;

/// A set of kinds of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    /// Nothing but to be known.
    pub(super) const NONE: Self = Self(0);
    /// Reading what the account has.
    pub(super) const READ: Self = Self(1);
    /// Images, and what watches them.
    pub(super) const DEVELOP: Self = Self(2);
    /// Policies and exceptions.
    pub(super) const POLICY: Self = Self(4);
    /// Users, registries, and what keeps house.
    pub(super) const MANAGE: Self = Self(8);
    /// The system, and every account.
    pub(super) const SYSTEM: Self = Self(16);
    /// Everything in one account.
    pub(super) const ACCOUNT: Self = Self(1 | 2 | 4 | 8);
    /// Everything.
    pub(super) const ALL: Self = Self(1 | 2 | 4 | 8 | 16);

    /// What is in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether everything of the other is in this.
    pub(super) fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ResourceKind {
    /// What a role must allow to be given on some of these.
    pub(super) fn kinds(self) -> Kinds {
        match self {
            Self::Repository => Kinds::DEVELOP,
            Self::Policy => Kinds::POLICY,
            Self::Registry => Kinds::MANAGE,
        }
    }
}

/// Whether an action changes nothing, whatever its method.
pub(crate) fn only_reads(action: &str, scope: Scope) -> bool {
    needed(action, scope) == Kinds::READ
}

/// What it takes. An action that is not listed takes managing.
pub(super) fn needed(action: &str, scope: Scope) -> Kinds {
    match scope {
        Scope::Anyone => Kinds::NONE,
        Scope::System => Kinds::SYSTEM,
        Scope::Namespace | Scope::PathAccount => group(action).map_or(Kinds::MANAGE, |group| group.kind),
    }
}

/// Of which resources an action can be about. One that is not listed is about everything.
pub(super) fn narrowed_by(action: &str) -> Option<ResourceKind> {
    group(action)?.on
}

fn group(action: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.actions.contains(&action))
}

/// Actions that take the same.
struct Group {
    kind: Kinds,
    /// Whether they may be allowed on such resources only.
    on: Option<ResourceKind>,
    actions: &'static [&'static str],
}

/// All of them.
const GROUPS: &[Group] = &[
    Group {
        kind: Kinds::READ,
        on: None,
        actions: &[
            "getAccount",
            "getArchive",
            "getArchiveRule",
            "getArchivedImage",
            "getEvent",
            "getImage",
            "getImageEvaluation",
            "getPolicy",
            "getRegistry",
            "getSubscription",
            "listArchiveRules",
            "listArchivedImages",
            "listEvents",
            "listImages",
            "listImports",
            "listPolicies",
            "listRegistries",
            "listSubscriptions",
        ],
    },
    Group {
        kind: Kinds::DEVELOP,
        on: Some(ResourceKind::Repository),
        actions: &[
            "archiveImage",
            "createImage",
            "createRepository",
            "createSubscription",
            "deleteArchivedImage",
            "deleteImage",
            "deleteSubscription",
            "importImage",
            "updateSubscription",
        ],
    },
    Group { kind: Kinds::DEVELOP, on: None, actions: &["updateEvent"] },
    Group {
        kind: Kinds::POLICY,
        on: Some(ResourceKind::Policy),
        actions: &["createPolicy", "deletePolicy", "updatePolicy"],
    },
    Group {
        kind: Kinds::MANAGE,
        on: Some(ResourceKind::Registry),
        actions: &["createRegistry", "deleteRegistry", "updateRegistry"],
    },
    Group {
        kind: Kinds::MANAGE,
        on: None,
        actions: &[
            "assignRoles",
            "createArchiveRule",
            "createUser",
            "deleteArchiveRule",
            "deleteEvent",
            "deleteEvents",
            "deleteUser",
            "getUser",
            "getUserRoles",
            "listAudit",
            "listUsers",
            "updateUser",
        ],
    },
];

/// A role that users can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserRole {
    /// Reads.
    Reader,
    /// Adds and watches images.
    Developer,
    /// Writes policies.
    PolicyEditor,
    /// Does everything in the account.
    AccountAdmin,
    /// Does everything.
    SystemAdmin,
}

impl UserRole {
    /// Every role, the least first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Reader, Self::Developer, Self::PolicyEditor, Self::AccountAdmin, Self::SystemAdmin];

    /// Its name.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Developer => "developer",
            Self::PolicyEditor => "policy-editor",
            Self::AccountAdmin => "account-admin",
            Self::SystemAdmin => "system-admin",
        }
    }

    /// The role of a name.
    pub(crate) fn named(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.slug() == slug)
    }

    /// What it is for.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Reader => "reads images, policies, registries, subscriptions and events of the account",
            Self::Developer => "reads, and adds, watches, archives and deletes images",
            Self::PolicyEditor => "reads, and writes policies and exceptions",
            Self::AccountAdmin => "does everything in the account, with its users, registries and audit log",
            Self::SystemAdmin => "does everything, in every account and with the service itself",
        }
    }

    /// What it allows.
    pub(crate) fn kinds(self) -> Kinds {
        match self {
            Self::Reader => Kinds::READ,
            Self::Developer => Kinds::READ | Kinds::DEVELOP,
            Self::PolicyEditor => Kinds::READ | Kinds::POLICY,
            Self::AccountAdmin => Kinds::ACCOUNT,
            Self::SystemAdmin => Kinds::ALL,
        }
    }

    /// Whether it allows everything, in every account.
    pub(crate) fn is_system(self) -> bool {
        self.kinds().covers(Kinds::SYSTEM)
    }

    /// The actions inside an account that it allows, by name.
    pub(crate) fn actions(self) -> Vec<&'static str> {
        self.actions_of(|_| true)
    }

    /// What it can be given on, instead of the whole account. Who reads, reads all of the account, and who may do everything
    /// is not of one account.
    pub(crate) fn resource_kinds(self) -> impl Iterator<Item = ResourceKind> {
        let fits = move |kind: &ResourceKind| self.kinds().covers(kind.kinds()) && !self.is_system();
        ResourceKind::ALL.into_iter().filter(fits)
    }

    /// The actions that it allows where it is given on such resources, beside reading.
    pub(crate) fn actions_on(self, kind: ResourceKind) -> Vec<&'static str> {
        self.actions_of(|group| group.on == Some(kind))
    }

    fn actions_of(self, counts: impl Fn(&Group) -> bool) -> Vec<&'static str> {
        let allowed = GROUPS.iter().filter(|group| self.kinds().covers(group.kind) && counts(group));
        let mut actions: Vec<_> = allowed.flat_map(|group| group.actions.iter().copied()).collect();
        actions.sort_unstable();
        actions
    }
}

/// Resources that one role may be given on.
pub(crate) const MAX_RESOURCES: usize = 20;

/// What is between the role and its resources.
const ON: &str = " on ";

/// A role as somebody has it: on the whole account, or on some resources.
///
/// As a text, in the database and in the settings, it is `developer`, or `developer on repository:r.io/a repository:r.io/b`: no role
/// by that name is known to releases that know no resources, and what they do not know allows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenRole {
    /// The role.
    pub(crate) role: UserRole,
    /// What it is given on, if not on the whole account.
    pub(crate) on: Option<Vec<Pattern>>,
}

impl GivenRole {
    /// Reads `"developer"` or `{"role": "developer", "on": ["repository:r.io/team/*"]}`; or why that is no role.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        if let Some(slug) = value.as_str() {
            return Ok(Self { role: role(slug)?, on: None });
        }
        let wrong = || format!("must be {}, or `{{\"role\": …, \"on\": [\"KIND:NAME\", …]}}`", slugs());
        let members = value.as_object().filter(|members| members.keys().all(|name| name == "role" || name == "on"));
        let members = members.ok_or_else(wrong)?;
        let role = role(members.get("role").and_then(Value::as_str).ok_or_else(wrong)?)?;
        match members.get("on") {
            None | Some(Value::Null) => Ok(Self { role, on: None }),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                Self::on(role, texts.ok_or_else(wrong)?)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Reads the text of one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(ON) {
            None => Ok(Self { role: role(text)?, on: None }),
            Some((slug, resources)) => Self::on(role(slug)?, resources.split(' ')),
        }
    }

    fn on<'a>(role: UserRole, texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let slug = role.slug();
        let kinds: Vec<&str> = role.resource_kinds().map(ResourceKind::slug).collect();
        if kinds.is_empty() {
            return Err(format!("the role `{slug}` cannot be given on resources: leave out `on`"));
        }
        let mut on: Vec<Pattern> = Vec::new();
        for text in texts {
            let pattern = Pattern::parse(text)?;
            if !kinds.contains(&pattern.kind.slug()) {
                let kinds = kinds.join(", ");
                return Err(format!("the role `{slug}` cannot be given on `{pattern}`, only on resources of: {kinds}"));
            }
            if !on.contains(&pattern) {
                on.push(pattern);
            }
        }
        if !(1..=MAX_RESOURCES).contains(&on.len()) {
            return Err(format!("`on` of the role `{slug}` must have 1 to {MAX_RESOURCES} resources"));
        }
        Ok(Self { role, on: Some(on) })
    }

    /// Adds one to those there are: each role is there once, and what is given on the whole account needs no resources.
    pub(crate) fn join(self, roles: &mut Vec<Self>) {
        let Some(there) = roles.iter_mut().find(|there| there.role == self.role) else { return roles.push(self) };
        match (&mut there.on, self.on) {
            (Some(on), Some(more)) => {
                let new: Vec<Pattern> = more.into_iter().filter(|pattern| !on.contains(pattern)).collect();
                on.extend(new);
            }
            (on, _) => *on = None,
        }
    }

    /// As texts that each give it on one resource.
    pub(crate) fn single_texts(&self) -> Vec<String> {
        match &self.on {
            None => vec![self.to_string()],
            Some(on) => on.iter().map(|pattern| format!("{}{ON}{pattern}", self.role.slug())).collect(),
        }
    }
}

impl fmt::Display for GivenRole {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.role.slug())?;
        let mut before = ON;
        for pattern in self.on.iter().flatten() {
            write!(out, "{before}{pattern}")?;
            before = " ";
        }
        Ok(())
    }
}

/// The role of a name, or why there is none.
fn role(slug: &str) -> Result<UserRole, String> {
    UserRole::named(slug).ok_or_else(|| format!("must be {}", slugs()))
}

fn slugs() -> String {
    let slugs: Vec<&str> = UserRole::ALL.iter().map(|role| role.slug()).collect();
    format!("one of {}", slugs.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slugs_come_back() {
        for role in UserRole::ALL {
            assert_eq!(UserRole::named(role.slug()), Some(role));
        }
        assert_eq!(UserRole::named("Reader"), None);
    }

    #[test]
    fn an_action_is_in_one_group() {
        let mut actions: Vec<_> = GROUPS.iter().flat_map(|group| group.actions).collect();
        let all = actions.len();
        actions.sort_unstable();
        actions.dedup();
        assert_eq!(actions.len(), all);
    }

    #[test]
    fn what_is_narrowed_takes_what_its_resources_take() {
        for group in GROUPS {
            assert!(group.on.is_none_or(|on| on.kinds() == group.kind), "{:?}", group.actions);
        }
    }

    #[test]
    fn roles_come_back_from_their_texts() {
        for (value, text) in [
            (json!("reader"), "reader"),
            (json!({"role": "developer"}), "developer"),
            (json!({"role": "developer", "on": null}), "developer"),
            (
                json!({"role": "developer", "on": ["repository:r.io/a", "repository:r.io/b/*", "repository:r.io/a"]}),
                "developer on repository:r.io/a repository:r.io/b/*",
            ),
            (json!({"role": "policy-editor", "on": ["policy:p"]}), "policy-editor on policy:p"),
            (
                json!({"role": "account-admin", "on": ["registry:r.io", "policy:p", "repository:r.io/a"]}),
                "account-admin on registry:r.io policy:p repository:r.io/a",
            ),
        ] {
            let given = GivenRole::read(&value).unwrap();
            assert_eq!(given.to_string(), text);
            assert_eq!(GivenRole::parse(text).unwrap(), given);
            let mut joined = Vec::new();
            given.single_texts().iter().for_each(|text| GivenRole::parse(text).unwrap().join(&mut joined));
            assert_eq!(joined, [given]);
        }
    }

    #[test]
    fn roles_that_cannot_be_given_are_refused() {
        let many: Vec<String> = (0..=MAX_RESOURCES).map(|at| format!("repository:r.io/{at}")).collect();
        for (value, told) in [
            (json!(7), "must be one of reader, developer"),
            (json!("king"), "must be one of reader, developer"),
            (json!({"role": "king", "on": ["policy:p"]}), "must be one of reader, developer"),
            (json!({"on": ["policy:p"]}), "\"on\""),
            (json!({"role": "developer", "only": ["repository:r.io/a"]}), "\"on\""),
            (json!({"role": "developer", "on": "repository:r.io/a"}), "\"on\""),
            (json!({"role": "developer", "on": [7]}), "\"on\""),
            (json!({"role": "developer", "on": []}), "1 to 20 resources"),
            (json!({"role": "developer", "on": many}), "1 to 20 resources"),
            (json!({"role": "developer", "on": ["policy:p"]}), "only on resources of: repository"),
            (json!({"role": "policy-editor", "on": ["repository:r.io/a"]}), "only on resources of: policy"),
            (json!({"role": "developer", "on": ["repository:a"]}), "name its registry"),
            (json!({"role": "reader", "on": ["repository:r.io/a"]}), "leave out `on`"),
            (json!({"role": "system-admin", "on": ["registry:r.io"]}), "leave out `on`"),
        ] {
            let why = GivenRole::read(&value).unwrap_err();
            assert!(why.contains(told), "{value}: {why}");
        }
        for text in [
            "",
            "developer on",
            "developer on ",
            "developer on  repository:r.io/a",
            "Developer",
            "developer repository:r.io/a",
        ] {
            assert!(GivenRole::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_given_on_the_whole_account_stays_so() {
        let [whole, some] = ["developer", "developer on repository:r.io/a"].map(|text| GivenRole::parse(text).unwrap());
        for [first, then] in [[&whole, &some], [&some, &whole]] {
            let mut joined = vec![first.clone()];
            then.clone().join(&mut joined);
            assert_eq!(joined, std::slice::from_ref(&whole));
        }
    }
}
