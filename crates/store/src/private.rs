//! Permissions of what holds password hashes: the owner's alone, whatever the umask.

use std::io;
use std::path::Path;

use crate::error::StoreError;

/// Makes the data folder for its owner alone. One that exists stays as the operator made it.
pub(crate) fn folder(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), fs_err::create_dir_all).and_then(|()| make(path));
    match made {
        // Another process was faster.
        Err(_) if path.is_dir() => Ok(()),
        made => made.map_err(|source| StoreError::Folder { path: path.to_owned(), source }),
    }
}

/// Makes the SQLite file readable to its owner alone, and those beside it, which SQLite makes alike.
pub(crate) fn files(database: &Path) -> Result<(), StoreError> {
    let mut options = fs_err::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let error = |path: &Path, source| StoreError::Folder { path: path.to_owned(), source };
    options.open(database).map_err(|source| error(database, source))?;
    for end in ["", "-wal", "-shm"] {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        let path = Path::new(&path);
        match close(path) {
            // Those beside it come and go with their users.
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            closed => closed.map_err(|source| error(path, source))?,
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    fs_err::create_dir(path)
}

/// Takes from others what an earlier release gave them.
#[cfg(unix)]
fn close(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs_err::metadata(path)?.permissions().mode() & 0o777;
    if mode == mode & 0o700 {
        return Ok(());
    }
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn close(path: &Path) -> io::Result<()> {
    fs_err::metadata(path).map(drop)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{Settings, Store};

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    }

    async fn open(data_dir: &Path) -> Store {
        let data_dir = data_dir.to_owned();
        Store::open(&Settings {
            data_dir,
            database_url: None,
            secret: None,
            blobs: crate::blobs::BlobsAt::Folder,
            max_connections: 1,
            patience: std::time::Duration::ZERO,
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn others_read_neither_folder_nor_database() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("srv/killick");
        let store = open(&data).await;
        assert_eq!(mode(&data), 0o700);
        for name in ["killick.db", "killick.db-wal", "killick.db-shm", "secret.key"] {
            assert_eq!(mode(&data.join(name)), 0o600, "{name}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_database_of_an_earlier_release_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let (data, file) = (dir.path().join("data"), dir.path().join("data/killick.db"));
        open(&data).await.close().await;
        for (path, mode) in [(&data, 0o755), (&file, 0o644)] {
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let store = open(&data).await;
        assert_eq!((mode(&data), mode(&file)), (0o755, 0o600));
        store.close().await;
    }
}
