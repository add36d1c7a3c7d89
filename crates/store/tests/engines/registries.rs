//! Registry credentials at rest.

use std::os::unix::fs::PermissionsExt as _;

use killick_store::registries::NewRegistry;
use killick_store::{Settings, Store, StoreError};
use secrecy::ExposeSecret as _;

use super::Opened;

fn registry(name: &str, password: &str) -> NewRegistry {
    NewRegistry {
        registry: name.to_owned(),
        name: "r".to_owned(),
        kind: "docker_v2".to_owned(),
        username: "u".to_owned(),
        password: password.into(),
        verify: true,
    }
}

pub(crate) async fn passwords_are_sealed(Opened { store, settings, .. }: &Opened) {
    let new = registry("r.io", "very secret");
    let row = store.add_registry("a", &new, 1).await.unwrap();
    assert_eq!(store.registry_password(&row).unwrap().expose_secret(), "very secret");
    assert!(matches!(store.add_registry("a", &new, 2).await, Err(StoreError::AlreadyExists { .. })));
    let shown = format!("{row:?} {new:?} {store:?}");
    assert!(!shown.contains("very secret") && shown.contains("secret: Sealed(…)"), "{shown}");
    let mut moved = row.clone();
    "b".clone_into(&mut moved.account);
    assert!(matches!(store.registry_password(&moved), Err(StoreError::Unsealable { .. })));
    let changed = store.update_registry("a", &registry("r.io", "other"), 3).await.unwrap();
    assert_eq!(store.registry_password(&changed).unwrap().expose_secret(), "other");
    assert!(matches!(store.update_registry("b", &new, 3).await, Err(StoreError::NotFound { .. })));
    let key = settings.data_dir.join("secret.key");
    assert_eq!(fs_err::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs_err::read_dir(&settings.data_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.iter().filter(|name| name.to_string_lossy().contains("secret")).count(), 1, "{names:?}");
    for file in fs_err::read_dir(&settings.data_dir).unwrap().map(|entry| entry.unwrap().path()) {
        if file.is_file() {
            let bytes = fs_err::read(&file).unwrap();
            assert!(!bytes.windows(11).any(|window| window == b"very secret"), "{}", file.display());
        }
    }
}

pub(crate) async fn another_secret_does_not_open(Opened { store, settings, .. }: &Opened) {
    store.add_registry("a", &registry("r.io", "very secret"), 1).await.unwrap();
    let with = |secret: &str| Settings { secret: Some(secret.into()), ..settings.clone() };
    let other = Store::open(&with("another secret, long enough")).await.unwrap();
    let row = other.registry("a", "r.io").await.unwrap();
    let error = other.registry_password(&row).unwrap_err();
    assert_eq!(error.to_string(), "the password of registry `r.io` does not open with the configured key");
    let again = Store::open(settings).await.unwrap();
    assert_eq!(again.registry_password(&row).unwrap().expose_secret(), "very secret");
    assert!(matches!(Store::open(&with("short")).await, Err(StoreError::Key { .. })));
    fs_err::write(settings.data_dir.join("secret.key"), "not a key").unwrap();
    assert!(matches!(Store::open(settings).await, Err(StoreError::Key { .. })));
}

pub(crate) async fn longest_registry_first(Opened { store, .. }: &Opened) {
    for name in ["r.io", "r.io/team/*", "a.io", "r.io/t"] {
        store.add_registry("a", &registry(name, ""), 1).await.unwrap();
    }
    let names: Vec<_> = store.registries("a").await.unwrap().into_iter().map(|row| row.registry).collect();
    assert_eq!(names, ["r.io/team/*", "r.io/t", "a.io", "r.io"]);
    store.delete_registry("a", "r.io/t").await.unwrap();
    assert!(matches!(store.delete_registry("a", "r.io/t").await, Err(StoreError::NotFound { .. })));
}
