//! What somebody may do: what their roles allow, and with an API key no more than what the key allows, too.
//!
//! A user to whom nobody gave a role may do everything in their account, as in the original, and everything everywhere if it
//! is the account of administrators.

use super::resources::{Pattern, Resource};
use super::roles::{GivenRole, Kinds, narrowed_by, needed};
use crate::api::permission::Scope;

/// What a set of roles allows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    /// On whatever it is.
    everywhere: Kinds,
    /// What its resources take, on these.
    on: Vec<Pattern>,
}

impl Allowed {
    fn of(roles: &[GivenRole]) -> Self {
        let mut all = Self { everywhere: Kinds::NONE, on: Vec::new() };
        for given in roles {
            match &given.on {
                None => all.everywhere = all.everywhere | given.role.kinds(),
                Some(on) => {
                    all.everywhere = all.everywhere | Kinds::READ;
                    all.on.extend(on.iter().cloned());
                }
            }
        }
        all
    }

    fn covers(&self, other: &Self) -> bool {
        let includes = |theirs: &Pattern| {
            self.everywhere.covers(theirs.kind.kinds()) || self.on.iter().any(|ours| ours.includes(theirs))
        };
        self.everywhere.covers(other.everywhere) && other.on.iter().all(includes)
    }
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grants {
    user: Allowed,
    /// What else must allow it.
    key: Option<Allowed>,
}

impl Grants {
    /// Those of somebody who may nothing but be known.
    pub(crate) fn none() -> Self {
        Self::of(&[])
    }

    /// Those of roles.
    pub(crate) fn of(roles: &[GivenRole]) -> Self {
        Self { user: Allowed::of(roles), key: None }
    }

    /// Those of a user without roles.
    pub(crate) fn of_account(is_of_administrators: bool) -> Self {
        let everywhere = if is_of_administrators { Kinds::ALL } else { Kinds::ACCOUNT };
        Self { user: Allowed { everywhere, on: Vec::new() }, key: None }
    }

    /// Those of a user of whom these roles are stored. One that this release does not know gives nothing, and is a role
    /// nevertheless.
    pub(crate) fn of_stored(texts: &[String], is_of_administrators: bool) -> Self {
        if texts.is_empty() {
            return Self::of_account(is_of_administrators);
        }
        let known: Vec<GivenRole> = texts.iter().filter_map(|text| GivenRole::parse(text).ok()).collect();
        Self::of(&known)
    }

    /// What is left of them with a key of this stored role. One that this release does not know leaves nothing.
    pub(crate) fn with_key(self, role: Option<&str>) -> Self {
        let Some(text) = role else { return self };
        let known: Vec<GivenRole> = GivenRole::parse(text).into_iter().collect();
        Self { key: Some(Allowed::of(&known)), ..self }
    }

    /// Every part of them: something is allowed that all of these allow.
    fn parts(&self) -> impl Iterator<Item = &Allowed> {
        std::iter::once(&self.user).chain(&self.key)
    }

    /// Whether whoever has the other ones may nothing that is not allowed by these.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.parts().all(|ours| other.parts().any(|theirs| ours.covers(theirs)))
    }

    /// Whether they are those of an administrator of the system.
    pub(crate) fn is_system(&self) -> bool {
        self.everywhere(Kinds::SYSTEM)
    }

    /// Whether they allow an action, whatever it is about.
    pub(crate) fn may(&self, action: &str, scope: Scope) -> bool {
        self.everywhere(needed(action, scope))
    }

    /// Whether they allow an action that is about this resource alone.
    pub(crate) fn may_on(&self, action: &str, scope: Scope, resource: &Resource) -> bool {
        let kinds = needed(action, scope);
        let is_narrowed = narrowed_by(action) == Some(resource.kind);
        let allows = |part: &Allowed| {
            part.everywhere.covers(kinds) || (is_narrowed && part.on.iter().any(|pattern| pattern.names(resource)))
        };
        self.parts().all(allows)
    }

    /// Whether there is something that they may allow an action on. It says nothing of what that is.
    pub(crate) fn may_somewhere(&self, action: &str, scope: Scope) -> bool {
        let (kinds, narrowed_by) = (needed(action, scope), narrowed_by(action));
        let allows = |part: &Allowed| {
            part.everywhere.covers(kinds) || part.on.iter().any(|pattern| Some(pattern.kind) == narrowed_by)
        };
        self.parts().all(allows)
    }

    /// Whether they allow nothing but reading as far as this resource is concerned.
    pub(crate) fn only_read(&self, resource: &Resource) -> bool {
        let on = |part: &Allowed| {
            let is_named = part.on.iter().any(|pattern| pattern.names(resource));
            if is_named { part.everywhere | resource.kind.kinds() } else { part.everywhere }
        };
        Kinds::READ.covers(self.parts().map(on).fold(Kinds::ALL, Kinds::and))
    }

    fn everywhere(&self, kinds: Kinds) -> bool {
        self.parts().all(|part| part.everywhere.covers(kinds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::UserRole;

    fn roles(texts: &[&str]) -> Vec<GivenRole> {
        texts.iter().map(|text| GivenRole::parse(text).unwrap()).collect()
    }

    fn grants(texts: &[&str]) -> Grants {
        Grants::of(&roles(texts))
    }

    #[test]
    fn without_a_role_the_account_decides() {
        assert_eq!(Grants::of_stored(&[], false), grants(&["account-admin"]));
        assert_eq!(Grants::of_stored(&[], true), grants(&["system-admin"]));
        let stored = |text: &str| Grants::of_stored(&[text.to_owned()], true);
        assert_eq!(stored("reader"), grants(&["reader"]), "a role narrows administrators too");
        for later in ["chief", "developer on galaxy:m31", "chief on repository:r.io/a", "reader on repository:r.io/a"] {
            assert_eq!(stored(later), Grants::none(), "{later} is of a later release");
            assert_eq!(Grants::of_account(true).with_key(Some(later)).parts().last(), Some(&Grants::none().user));
        }
    }

    #[test]
    fn roles_add_up() {
        let both = grants(&["developer", "policy-editor"]);
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

    #[test]
    fn a_narrowed_role_changes_what_it_names() {
        let repository = |name: &str| Resource::repository("r.io", name);
        let ours = "developer on repository:r.io/ours/*";
        for (roles, action, resource, everywhere, there) in [
            (&[ours][..], "createImage", repository("ours/app"), false, true),
            (&[ours], "createImage", repository("theirs/app"), false, false),
            (&[ours], "getImage", repository("theirs/app"), true, true),
            (&[ours], "updateEvent", repository("ours/app"), false, false),
            (&[ours], "createArchiveRule", repository("ours/app"), false, false),
            (&[ours], "updatePolicy", Resource::policy("p"), false, false),
            (&[ours, "developer"], "createImage", repository("theirs/app"), true, true),
            (&[ours, "developer on repository:r.io/theirs/app"], "deleteImage", repository("theirs/app"), false, true),
            (&["policy-editor on policy:p"], "updatePolicy", Resource::policy("p"), false, true),
            (&["policy-editor on policy:p"], "updatePolicy", Resource::policy("q"), false, false),
            // The name of the one is not that of the other.
            (&["policy-editor on policy:r.io/a"], "updatePolicy", repository("a"), false, false),
            (&["account-admin on registry:r.io"], "updateRegistry", Resource::registry("r.io"), false, true),
            (&["account-admin on registry:r.io"], "createImage", repository("ours/app"), false, false),
            (&["account-admin on registry:*"], "createUser", Resource::registry("r.io"), false, false),
            (&["account-admin on repository:r.io/*"], "createImage", repository("ours/app"), false, true),
        ] {
            let grants = grants(roles);
            assert_eq!(grants.may(action, Scope::Namespace), everywhere, "{roles:?} {action}");
            assert_eq!(grants.may_on(action, Scope::Namespace, &resource), there, "{roles:?} {action} {resource}");
            assert!(!grants.may("createAccount", Scope::System) && !grants.is_system());
        }
    }

    #[test]
    fn nobody_covers_more_than_they_have() {
        for (wide, narrow, want) in [
            (&["developer"][..], &["developer on repository:r.io/a"][..], true),
            (&["developer on repository:r.io/a"], &["developer"], false),
            (&["developer on repository:r.io/*"], &["developer on repository:r.io/a"], true),
            (&["developer on repository:r.io/*"], &["developer on repository:r.io/a repository:q.io/b"], false),
            (&["developer on repository:r.io/* repository:q.io/b"], &["developer on repository:q.io/b"], true),
            (&["developer on repository:r.io/*"], &["reader"], true),
            (&["developer on repository:r.io/*"], &["policy-editor on policy:p"], false),
            (&["policy-editor"], &["developer on repository:r.io/a"], false),
            (&["account-admin on repository:r.io/a"], &["developer on repository:r.io/a"], true),
            (&["developer on repository:r.io/a"], &["account-admin on repository:r.io/a"], true),
            (&["account-admin on registry:r.io"], &["account-admin"], false),
            (&["account-admin"], &["account-admin on registry:r.io", "developer"], true),
            (&["account-admin"], &["system-admin"], false),
        ] {
            assert_eq!(grants(wide).covers(&grants(narrow)), want, "{wide:?} {narrow:?}");
        }
    }

    #[test]
    fn a_key_allows_what_its_user_may_too() {
        let may = |grants: &Grants, name: &str| {
            grants.may_on("createImage", Scope::Namespace, &Resource::repository("r.io", name))
        };
        let ours = Some("developer on repository:r.io/ours/*");
        let key = Grants::of_account(true).with_key(ours);
        assert!(may(&key, "ours/app") && !may(&key, "theirs/app") && !key.is_system());
        let key = grants(&["developer on repository:r.io/*/app"]).with_key(ours);
        assert!(may(&key, "ours/app") && !may(&key, "theirs/app") && !may(&key, "ours/web"));
        let key = grants(&["reader"]).with_key(ours);
        assert!(!may(&key, "ours/app") && key.may("getImage", Scope::Namespace));
        assert!(!key.may_somewhere("createImage", Scope::Namespace));
        // Who calls with a key gives no more than the key may.
        let key = Grants::of_account(false).with_key(Some("developer"));
        assert!(key.covers(&grants(&["developer"])) && !key.covers(&grants(&["policy-editor"])));
        assert!(Grants::of_account(false).covers(&key) && grants(&["developer"]).covers(&key));
        assert_eq!(Grants::of_account(false).with_key(None), Grants::of_account(false));
    }

    #[test]
    fn a_reader_only_reads() {
        let ours = Resource::repository("r.io", "ours");
        let only = |texts: &[&str]| grants(texts).only_read(&ours);
        assert!(
            only(&["reader"]) && only(&["developer on repository:r.io/theirs"]) && only(&["policy-editor on policy:p"])
        );
        assert!(
            !only(&["reader", "policy-editor"]) && !only(&["developer"]) && !only(&["developer on repository:r.io/*"])
        );
        assert!(!Grants::of_account(false).only_read(&ours));
        let with_key = |user: &str, key: &str| grants(&[user]).with_key(Some(key)).only_read(&ours);
        assert!(with_key("account-admin", "reader") && with_key("developer", "policy-editor"));
        assert!(!with_key("developer", "developer on repository:r.io/*"));
    }

    /// Some role on a resource that it can be given on, and the actions and resources to try it with.
    fn tries() -> impl Strategy<Value = (UserRole, String, String, Resource)> {
        let roles = vec![
            (UserRole::Developer, "repository:r.io/"),
            (UserRole::PolicyEditor, "policy:"),
            (UserRole::AccountAdmin, "registry:"),
            (UserRole::AccountAdmin, "repository:r.io/"),
        ];
        let actions = UserRole::SystemAdmin.actions();
        let resource = |(kind, name): (usize, String)| match kind {
            0 => Resource::repository("r.io", &name),
            1 => Resource::policy(&name),
            _ => Resource::registry(&name),
        };
        (prop::sample::select(roles), "[ab*]{1,4}", prop::sample::select(actions), (0..3_usize, "[ab]{1,4}")).prop_map(
            move |((role, kind), name, action, named)| {
                (role, format!("{kind}{name}"), action.to_owned(), resource(named))
            },
        )
    }

    proptest! {
        #[test]
        fn narrowing_never_allows_more((role, on, action, resource) in tries(), user in prop::sample::select(UserRole::ALL.to_vec())) {
            let text = format!("{} on {on}", role.slug());
            let (whole, narrowed) = (grants(&[role.slug()]), grants(&[&text]));
            prop_assert!(whole.covers(&narrowed) && !narrowed.covers(&whole));
            let may = |grants: &Grants| grants.may_on(&action, Scope::Namespace, &resource);
            prop_assert!(!may(&narrowed) || may(&whole), "{text} {action} {resource}");
            prop_assert!(!narrowed.may(&action, Scope::Namespace) || narrowed_by(&action).is_none());
            prop_assert!(!may(&narrowed) || narrowed.may_somewhere(&action, Scope::Namespace));
            // Nor a key more than its user, whatever its role.
            let user = grants(&[user.slug()]);
            let key = user.clone().with_key(Some(&text));
            prop_assert!(user.covers(&key) && narrowed.covers(&key));
            prop_assert_eq!(may(&key), may(&user) && may(&narrowed));
        }
    }
}
