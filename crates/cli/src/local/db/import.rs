//! `killick db import`: an index file, or what somebody published.

use std::fmt;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use killick_fetch::publication::{Place, PlaceOptions};
use killick_server::publications::{Origin, Progress, Taken, Taking, take};
use killick_vulns::Index;
use killick_vulns::publication::{Allowed, Assembly, Publication};

use super::key::KeyArgument;
use crate::client::{ClientArgs, Server};
use crate::exit::Exit;
use crate::local::registry::RegistryArgs;
use crate::local::{knowledge, output};
use crate::report_error::hinted;

/// What an index file begins with.
const INDEX_MAGIC: &[u8] = b"KILLICKX";

/// Arguments of `db import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// An index file; or a publication: a bundle or folder of `db export`, `https://HOST/PATH`, `s3://BUCKET/PREFIX`,
    /// `oci://REGISTRY/REPOSITORY:TAG`
    #[arg(value_name = "SOURCE", required_unless_present = "server")]
    source: Option<String>,
    /// The index of the server of `--url`, `--u` and `--p`
    #[arg(long, conflicts_with = "source")]
    server: bool,
    /// Public key that must have signed the publication, `ed25519:…` or a file; if repeated, any of them
    #[arg(long = "key", value_name = "KEY", env = "KILLICK_DB_KEYS", value_delimiter = ',')]
    keys: Vec<KeyArgument>,
    #[command(flatten)]
    allow: AllowArgs,
    /// Write the index here, instead of using it from now on
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What is overlooked on purpose.
#[derive(Debug, Args)]
struct AllowArgs {
    /// Take a publication that nobody who is trusted signed
    #[arg(long, conflicts_with = "keys")]
    allow_unsigned: bool,
    /// Take a publication that expired
    #[arg(long)]
    allow_expired: bool,
    /// Take a publication that is older than one that was taken before
    #[arg(long)]
    allow_rollback: bool,
}

impl Import {
    /// Whether it speaks to a Killick server.
    pub(crate) fn is_from_server(&self) -> bool {
        self.server
    }
}

pub(super) async fn run(args: Import, client: &ClientArgs) -> anyhow::Result<Exit> {
    let target = args.out.clone().map_or_else(knowledge::installed_path, Ok)?;
    knowledge::make_parent(&target)?;
    if let Some(path) = args.source.as_deref().filter(|_| !args.server).map(Path::new)
        && is_index(path)?
    {
        return import_file(path, &target);
    }
    let environment = crate::environment::read();
    let mut options =
        PlaceOptions { registry: args.registry.options(&environment)?, environment, ..PlaceOptions::default() };
    let mut allowed = Allowed {
        unsigned: args.allow.allow_unsigned,
        expired: args.allow.allow_expired,
        rollback: args.allow.allow_rollback,
    };
    let place = if let Some(source) = &args.source {
        Place::parse(source)
    } else {
        let server = Server::of(client).await?;
        options.login = server.login;
        options.registry.skip_tls_verify |= !server.verify_tls;
        // Who logs in there believes its verdicts too.
        allowed.unsigned |= args.keys.is_empty();
        Place::parse(&format!("{}/v2/knowledge", server.url.trim_end_matches('/')))
    };
    let bar = std::io::stderr().is_terminal().then(bar);
    let shown = bar.clone();
    let progress = shown.map(|bar| -> Progress {
        Arc::new(move |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
    });
    let taking = Taking {
        place: place.map_err(hinted)?,
        options,
        keys: args.keys.into_iter().map(|KeyArgument(key)| key).collect(),
        allowed,
        now: crate::clock::now(),
        target: target.clone(),
        progress,
    };
    let taken = take(taking).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    output::print(&Told { target: &target, taken: &taken.map_err(hinted)? }.to_string())?;
    Ok(Exit::Success)
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} advisories {wide_bar} {bytes}/{total_bytes} {eta}")
        .expect("the template is right");
    ProgressBar::new(0).with_style(style)
}

/// Whether there is an index file, which is taken as it is.
fn is_index(path: &Path) -> anyhow::Result<bool> {
    if !path.is_file() {
        return Ok(false);
    }
    let mut magic = Vec::new();
    fs_err::File::open(path)?.take(INDEX_MAGIC.len() as u64).read_to_end(&mut magic)?;
    Ok(magic == INDEX_MAGIC)
}

fn import_file(file: &Path, target: &Path) -> anyhow::Result<Exit> {
    let index = Index::open(file).map_err(hinted)?;
    index.verify().map_err(hinted)?;
    let beside = target.with_extension("new");
    fs_err::copy(file, &beside)?;
    fs_err::rename(&beside, target)?;
    Origin::note_file(target, &index, file, crate::clock::now()).map_err(hinted)?;
    output::print(&format!("{} is in use\n", target.display()))?;
    Ok(Exit::Success)
}

struct Told<'a> {
    target: &'a Path,
    taken: &'a Taken,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Publication { name, version, built, expires, .. } = &self.taken.accepted.publication;
        let target = self.target.display();
        let signers = &self.taken.accepted.signers;
        let signed = if signers.is_empty() {
            "not verified".to_owned()
        } else {
            let ids: Vec<String> = signers.iter().map(|id| format!("{id:.16}")).collect();
            format!("signed by {}", ids.join(", "))
        };
        let expires = expires.map(|at| format!(", expires at {at}")).unwrap_or_default();
        writeln!(out, "{target}: {name} version {version} built at {built}, {signed}{expires}")?;
        match &self.taken.assembly {
            None => writeln!(out, "it was in place already"),
            Some(assembly) => {
                let Assembly { bytes, fetched_bytes, requests, resumed_bytes, .. } = assembly;
                writeln!(
                    out,
                    "fetched {fetched_bytes} of {bytes} bytes in {requests} requests: {} sources whole, the changes of {}; {} were \
                     there",
                    assembly.fetched_segments, assembly.patched_segments, assembly.kept_segments
                )?;
                if *resumed_bytes > 0 {
                    writeln!(out, "{resumed_bytes} bytes of an earlier attempt were there")?;
                }
                Ok(())
            }
        }
    }
}
