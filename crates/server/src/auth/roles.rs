//! Roles: which of an account's users may do what.
//!
//! A permission is of one kind, a role is a set of kinds. A user to whom nobody gave a role may do everything in their
//! account, as in the original, and everything everywhere if it is the account of administrators.

use std::ops::BitOr;

use crate::api::permission::Scope;

/// A set of kinds of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grants(u8);

impl Grants {
    /// Nothing but to be known.
    pub(crate) const NONE: Self = Self(0);
    /// Reading what the account has.
    const READ: Self = Self(1);
    /// Images, and what watches them.
    const DEVELOP: Self = Self(2);
    /// Policies and exceptions.
    const POLICY: Self = Self(4);
    /// Users, registries, and what keeps house.
    const MANAGE: Self = Self(8);
    /// The system, and every account.
    const SYSTEM: Self = Self(16);
    /// Everything in one account.
    const ACCOUNT: Self = Self(1 | 2 | 4 | 8);

    /// Those of a user with these roles; of none, everything in their account.
    pub(crate) fn of(roles: &[UserRole], account_is_admin: bool) -> Self {
        match (roles, account_is_admin) {
            ([], true) => Self::ACCOUNT | Self::SYSTEM,
            ([], false) => Self::ACCOUNT,
            (roles, _) => roles.iter().fold(Self::NONE, |all, role| all | role.grants()),
        }
    }

    /// What is in both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether everything of the other is in this.
    pub(crate) fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether they are those of an administrator of the system.
    pub(crate) fn is_system(self) -> bool {
        self.covers(Self::SYSTEM)
    }

    /// Whether they allow nothing but reading.
    pub(crate) fn only_read(self) -> bool {
        Self::READ.covers(self)
    }

    /// Whether they allow an action.
    pub(crate) fn may(self, action: &str, scope: Scope) -> bool {
        self.covers(needed(action, scope))
    }
}

impl BitOr for Grants {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether an action changes nothing, whatever its method.
pub(crate) fn only_reads(action: &str, scope: Scope) -> bool {
    needed(action, scope) == Grants::READ
}

/// What it takes. An action that is not listed takes managing.
fn needed(action: &str, scope: Scope) -> Grants {
    match scope {
        Scope::Anyone => Grants::NONE,
        Scope::System => Grants::SYSTEM,
        Scope::Namespace | Scope::PathAccount => {
            KINDS.iter().find(|(_, actions)| actions.contains(&action)).map_or(Grants::MANAGE, |(kind, _)| *kind)
        }
    }
}

/// The actions of each kind.
const KINDS: &[(Grants, &[&str])] = &[
    (
        Grants::READ,
        &[
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
    ),
    (
        Grants::DEVELOP,
        &[
            "archiveImage",
            "createImage",
            "createRepository",
            "createSubscription",
            "deleteArchivedImage",
            "deleteImage",
            "deleteSubscription",
            "importImage",
            "updateEvent",
            "updateSubscription",
        ],
    ),
    (Grants::POLICY, &["createPolicy", "deletePolicy", "updatePolicy"]),
    (
        Grants::MANAGE,
        &[
            "assignRoles",
            "createArchiveRule",
            "createRegistry",
            "createUser",
            "deleteArchiveRule",
            "deleteEvent",
            "deleteEvents",
            "deleteRegistry",
            "deleteUser",
            "getUser",
            "getUserRoles",
            "listAudit",
            "listUsers",
            "updateRegistry",
            "updateUser",
        ],
    ),
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
    pub(crate) fn grants(self) -> Grants {
        match self {
            Self::Reader => Grants::READ,
            Self::Developer => Grants::READ | Grants::DEVELOP,
            Self::PolicyEditor => Grants::READ | Grants::POLICY,
            Self::AccountAdmin => Grants::ACCOUNT,
            Self::SystemAdmin => Grants::ACCOUNT | Grants::SYSTEM,
        }
    }

    /// The actions inside an account that it allows, by name.
    pub(crate) fn actions(self) -> Vec<&'static str> {
        let allowed = KINDS.iter().filter(|(kind, _)| self.grants().covers(*kind));
        let mut actions: Vec<_> = allowed.flat_map(|(_, actions)| actions.iter().copied()).collect();
        actions.sort_unstable();
        actions
    }
}

/// The roles of stored names. One that this release does not know gives nothing, and is a role nevertheless.
pub(crate) fn grants_of_stored(slugs: &[String], account_is_admin: bool) -> Grants {
    let roles: Vec<_> = slugs.iter().filter_map(|slug| UserRole::named(slug)).collect();
    if roles.is_empty() && !slugs.is_empty() { Grants::NONE } else { Grants::of(&roles, account_is_admin) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_come_back() {
        for role in UserRole::ALL {
            assert_eq!(UserRole::named(role.slug()), Some(role));
        }
        assert_eq!(UserRole::named("Reader"), None);
    }

    #[test]
    fn an_action_has_one_kind() {
        let mut actions: Vec<_> = KINDS.iter().flat_map(|(_, actions)| actions.iter()).collect();
        let all = actions.len();
        actions.sort_unstable();
        actions.dedup();
        assert_eq!(actions.len(), all);
    }

    #[test]
    fn without_a_role_the_account_decides() {
        let (user, admin) = (Grants::of(&[], false), Grants::of(&[], true));
        assert_eq!(user, UserRole::AccountAdmin.grants());
        assert_eq!(admin, UserRole::SystemAdmin.grants());
        assert_eq!(Grants::of(&[UserRole::Reader], true), Grants::READ, "a role narrows administrators too");
        assert_eq!(grants_of_stored(&["chief".to_owned()], true), Grants::NONE, "of a later release");
    }

    #[test]
    fn a_reader_only_reads() {
        let only = |roles: &[UserRole]| Grants::of(roles, false).only_read();
        assert!(only(&[UserRole::Reader]));
        assert!(!only(&[]) && !only(&[UserRole::Reader, UserRole::PolicyEditor]) && !only(&[UserRole::Developer]));
    }

    #[test]
    fn roles_add_up() {
        let both = Grants::of(&[UserRole::Developer, UserRole::PolicyEditor], false);
        for (action, scope, may) in [
            ("createImage", Scope::Namespace, true),
            ("updatePolicy", Scope::Namespace, true),
            ("createUser", Scope::PathAccount, false),
            ("unheardOf", Scope::Namespace, false),
            ("createAccount", Scope::System, false),
            ("anything", Scope::Anyone, true),
        ] {
            assert_eq!(both.may(action, scope), may, "{action}");
        }
    }
}
