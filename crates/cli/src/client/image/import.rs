//! `killick image import`: an analysis that was made elsewhere.

use std::path::PathBuf;

use clap::Args;

use super::render;
use crate::client::api::{Api, Failure};
use crate::client::{Done, Outcome};

/// Bytes of an archived analysis; the server takes no more.
const MAX_BYTES: u64 = 256 << 20;

/// Arguments of `image import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// An archived analysis: of this server or another one, or of Anchore Engine
    #[arg(long, value_name = "FILE", value_parser = existing)]
    infile: PathBuf,
}

/// As anchore-cli, which looks before it asks the server anything.
fn existing(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.exists() { Ok(path) } else { Err(format!("Path '{text}' does not exist")) }
}

pub(super) async fn run(api: &Api, args: &Import) -> Outcome {
    let failed = |error: std::io::Error| Failure::local(error.to_string());
    let size = fs_err::metadata(&args.infile).map_err(failed)?.len();
    if size > MAX_BYTES {
        return Err(too_large(&args.infile.display().to_string(), size));
    }
    let bytes = fs_err::read(&args.infile).map_err(failed)?;
    send(api, "/import/images", &bytes, &args.infile.display().to_string()).await
}

/// Sends the document of an archived analysis, which is of `source`, to a path of the server.
pub(super) async fn send(api: &Api, path: &str, document: &[u8], source: &str) -> Outcome {
    let size = document.len() as u64;
    if size > MAX_BYTES {
        return Err(too_large(source, size));
    }
    let reply = api.upload(path, "archive_file", document).await.map_err(|failure| {
        if failure.message().contains("is there: it cannot be restored") {
            failure.hinting(
                "`killick image get DIGEST` tells under which tags it is there; `killick image del DIGEST --force` makes room",
            )
        } else {
            failure
        }
    })?;
    Ok(Done::render(api, &reply, render::images))
}

fn too_large(source: &str, size: u64) -> Failure {
    Failure::local(format!("`{source}` has {size} bytes; an archived analysis has at most {MAX_BYTES}"))
}
