//! One tar file, to be carried over an air gap.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use super::{Edition, MANIFEST, PlaceError, Sent, blob_path};

/// Writes beside the file and renames: the same publication gives the same bytes.
pub(super) fn publish(path: &Path, edition: &Edition<'_>) -> Result<Sent, PlaceError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = Path::new(&name);
    let mut sent = Sent::default();
    let write = |sent: &mut Sent| -> io::Result<()> {
        let file = fs_err::File::create(beside)?;
        let mut archive = tar::Builder::new(BufWriter::new(file));
        append(&mut archive, MANIFEST, edition.manifest)?;
        for upload in edition.uploads {
            append(&mut archive, &blob_path(&upload.digest), &(edition.read)(upload)?)?;
            sent.blobs += 1;
            sent.bytes += upload.bytes;
        }
        let mut file = archive.into_inner()?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs_err::rename(beside, path)
    };
    match write(&mut sent) {
        Ok(()) => Ok(sent),
        Err(source) => {
            let _ = fs_err::remove_file(beside);
            Err(PlaceError::File { doing: "write", path: path.to_owned(), source })
        }
    }
}

fn append<W: io::Write>(archive: &mut tar::Builder<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, name, bytes)
}
