//! `killick image`: add, wait, get, list, content, metadata, vuln, del.

mod import;
mod local;
mod render;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{ArgAction, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::api::{Api, Failure, Reply, percent_encode, python_bool};
use super::lookup::{self, ImageForm, KnownImage};
use super::part::Part;
use super::redrawn::Watch;
use super::{Done, Outcome, confirmation};
use crate::exit::Exit;

/// What can be done with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Add an image
    Add(Add),
    /// Get contents of image
    Content(Content),
    /// Delete an image
    Del(Del),
    /// Get an image
    Get(Get),
    /// Import an image that was analyzed elsewhere
    Import(import::Import),
    /// List all images
    List(List),
    /// Get metadata about an image
    Metadata(Metadata),
    /// Get image vulnerabilities
    Vuln(Vuln),
    /// Wait for an image to analyze
    Wait(Wait),
}

/// Arguments of `image add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Image reference, such as registry/repo:tag
    input_image: String,
    /// Force reanalysis of image
    #[arg(long)]
    force: bool,
    /// Submit image's dockerfile for analysis
    #[arg(long, value_name = "Dockerfile")]
    dockerfile: Option<PathBuf>,
    /// A key=value pair to keep with the image; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Do not watch the tag for updates
    #[arg(long)]
    noautosubscribe: bool,
    /// Wait until the image is analyzed; with `--from` it is already
    #[arg(long)]
    wait: bool,
    /// Analyze the image here, and send the server what was found instead of letting it pull: an archive, an OCI
    /// layout, docker:REF, or any other source
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["force", "noautosubscribe"])]
    from: Option<String>,
}

/// Arguments of `image content`.
#[derive(Debug, Args)]
pub(crate) struct Content {
    /// Image digest, image ID or registry/repo:tag
    input_image: String,
    /// Kind of content; without it, the kinds available are listed
    content_type: Option<String>,
}

/// Arguments of `image del`.
#[derive(Debug, Args)]
pub(crate) struct Del {
    /// Image digest, image ID or registry/repo:tag
    input_image: Option<String>,
    /// Delete even an image with active subscriptions
    #[arg(long)]
    force: bool,
    /// Delete all images
    #[arg(long)]
    all: bool,
    /// Do not ask before all are deleted; scripts never are
    #[arg(long)]
    dontask: bool,
}

/// Arguments of `image get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Image digest, image ID or registry/repo:tag
    input_image: String,
    /// Show all images that had this tag
    #[arg(long)]
    show_history: bool,
    #[command(flatten)]
    watch: Watch,
}

/// Arguments of `image list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Show image IDs too
    #[arg(long)]
    full: bool,
    /// Show all images, not only the latest of each tag
    #[arg(long)]
    show_all: bool,
    /// Only those of a status: `not_analyzed`, `analyzing`, `analyzed` or `analysis_failed`
    #[arg(long, value_parser = ["not_analyzed", "analyzing", "analyzed", "analysis_failed"])]
    status: Option<String>,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    watch: Watch,
}

/// Arguments of `image metadata`.
#[derive(Debug, Args)]
pub(crate) struct Metadata {
    /// Image digest, image ID or registry/repo:tag
    input_image: String,
    /// Kind of metadata; without it, the kinds available are listed
    metadata_type: Option<String>,
}

/// Arguments of `image vuln`.
#[derive(Debug, Args)]
pub(crate) struct Vuln {
    /// Image digest, image ID or registry/repo:tag
    input_image: String,
    /// `os`, `non-os` or `all`; without it, the kinds available are listed
    #[arg(value_name = "VULN_TYPE")]
    kind: Option<String>,
    /// Leave out what the vendor will not fix
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    vendor_only: bool,
}

/// Arguments of `image wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Image digest, image ID or registry/repo:tag
    input_image: String,
    /// Seconds to wait; for ever if negative
    #[arg(long, default_value_t = -1.0, allow_negative_numbers = true)]
    timeout: f64,
    /// Seconds between two checks
    #[arg(long, default_value_t = 5.0)]
    interval: f64,
}

/// Images that were added, as `image add` shows them.
pub(super) fn render_added(images: &Value) -> Option<String> {
    render::images(images)
}

pub(super) async fn run(api: &Api, command: ImageCommand) -> Outcome {
    match command {
        ImageCommand::Add(args) => add(api, args).await,
        ImageCommand::Content(args) => content(api, args).await,
        ImageCommand::Del(args) if args.all => delete_all(api, args.force, args.dontask).await,
        ImageCommand::Del(args) => delete(api, args).await,
        ImageCommand::Get(args) => {
            let look = async || {
                let reply = get(api, &args.input_image, args.show_history).await.map_err(unknown)?;
                Ok(Done::render(api, &reply, render::images))
            };
            args.watch.show(api, look).await
        }
        ImageCommand::Import(args) => import::run(api, &args).await,
        ImageCommand::List(args) => {
            let look = async || {
                let mut reply = api.get("/images", &[]).await?;
                if !args.part.is_whole() || args.status.is_some() {
                    reply.body = render::chosen(&reply.body, &args).unwrap_or(reply.body);
                }
                Ok(Done::render(api, &reply, |images| render::list(images, &args))
                    .hinting_if_empty("there are no such images: `killick image add HOST/REPOSITORY:TAG` adds one"))
            };
            args.watch.show(api, look).await
        }
        ImageCommand::Metadata(args) => metadata(api, args).await,
        ImageCommand::Vuln(args) => vulnerabilities(api, args).await,
        ImageCommand::Wait(args) => wait(api, &args).await,
    }
}

async fn add(api: &Api, args: Add) -> Outcome {
    if ImageForm::of(&args.input_image) != ImageForm::Tag {
        return Err(Failure::local("can only add a tag"));
    }
    let dockerfile = args.dockerfile.as_ref().map(fs_err::read_to_string).transpose();
    let dockerfile = dockerfile.map_err(|error| Failure::local(error.to_string()))?;
    let annotations = annotations(&args.annotation)?;
    if let Some(source) = &args.from {
        return local::add(api, source, &args.input_image, dockerfile, annotations).await;
    }
    let mut body = Map::from_iter([("tag".to_owned(), json!(args.input_image))]);
    if let Some(text) = dockerfile {
        body.insert("dockerfile".to_owned(), json!(STANDARD.encode(text)));
    }
    if !annotations.is_empty() {
        body.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let mut query = vec![("autosubscribe", python_bool(!args.noautosubscribe))];
    if args.force {
        query.push(("force", "true"));
    }
    let reply = api.send("POST", "/images", &query, Some(&Value::Object(body))).await;
    let reply = reply.map_err(|failure| {
        if is_path(&args.input_image) {
            failure.hinting("the server pulls what it adds; to analyse an archive here: `killick image add REGISTRY/REPO:TAG --from FILE`")
        } else {
            failure
        }
    })?;
    if args.wait {
        if let Some(digest) = reply.body[0]["imageDigest"].as_str()
            && watch::follow(api, digest).await
        {
            let reply = api.get(&format!("/images/{digest}"), &[]).await?;
            return Ok(Done::render(api, &reply, render::images));
        }
        return wait(api, &Wait { input_image: args.input_image, timeout: -1.0, interval: 1.0 }).await;
    }
    let tag = &args.input_image;
    Ok(Done::render(api, &reply, render::images).hinting(format!(
        "`killick image wait {tag}` waits until it is analysed; then `killick image vuln {tag} all` and \
         `killick evaluate check {tag}` tell what is known of it"
    )))
}

/// Whether a file is meant, or there is one of that name.
fn is_path(input: &str) -> bool {
    input.starts_with(['/', '.']) || Path::new(input).exists()
}

fn annotations(given: &[String]) -> Result<Map<String, Value>, Failure> {
    let pair = |annotation: &String| match annotation.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), json!(value))),
        _ => Err(Failure::local(format!(
            "annotation format error - annotations must be of the form (--annotation key=value), found: {annotation}"
        ))),
    };
    given.iter().map(pair).collect()
}

async fn get(api: &Api, input: &str, history: bool) -> Result<Reply, Failure> {
    match ImageForm::of(input) {
        ImageForm::Tag => {
            api.get("/images", &[("fulltag", input), ("history", if history { "true" } else { "false" })]).await
        }
        ImageForm::Id => api.get(&format!("/images/by_id/{}", percent_encode(input)), &[("history", "false")]).await,
        ImageForm::Digest => api.get(&format!("/images/{input}"), &[("history", "false")]).await,
    }
}

/// What to do about an image that the server does not know.
fn unknown(failure: Failure) -> Failure {
    if failure.is_not_found() { failure.hinting(lookup::REMEDY) } else { failure }
}

async fn wait(api: &Api, args: &Wait) -> Outcome {
    let began = Instant::now();
    while args.timeout < 0.0 || began.elapsed().as_secs_f64() < args.timeout {
        let not_found = || Failure::local("Requested image not found in system").hinting(lookup::REMEDY);
        let reply = get(api, &args.input_image, false).await;
        let reply = reply.map_err(|failure| if failure.is_not_found() { not_found() } else { failure })?;
        let status = reply.body[0]["analysis_status"].as_str().ok_or_else(not_found)?;
        if matches!(status, "analyzed" | "analysis_failed") {
            return Ok(Done::render(api, &reply, render::images));
        }
        let mut line = format!("Status: {status}\nWaiting {:?} seconds for next retry.", args.interval);
        if args.timeout > 0.0 {
            let left = (args.timeout - began.elapsed().as_secs_f64()).trunc();
            line.push_str(&format!(" Total timeout remaining: {left:.0}"));
        }
        // A reader that went away ends the wait at the next print, not here.
        let _ = writeln!(anstream::stdout(), "{line}");
        tokio::time::sleep(Duration::try_from_secs_f64(args.interval).unwrap_or(Duration::from_secs(5))).await;
    }
    Err(Failure::local("Timed-out waiting for analyis status to reach terminal state (analyzed or analysis_failed)"))
}

async fn known(api: &Api, input: &str, message: &str) -> Result<KnownImage, Failure> {
    lookup::find(api, input).await.ok_or_else(|| Failure::refused(message).hinting(lookup::REMEDY))
}

const UNKNOWN_IMAGE: &str = "cannot use input image string (no discovered imageDigest)";

async fn content(api: &Api, args: Content) -> Outcome {
    let image = known(api, &args.input_image, UNKNOWN_IMAGE).await?;
    let Some(kind) = args.content_type else {
        let reply = api.get(&format!("/images/{}/content", image.digest), &[]).await?;
        let next = format!("`killick image content {} os` shows the first of these", args.input_image);
        return Ok(Done::render(api, &reply, render::kinds).hinting(next));
    };
    let reply = api.get(&format!("/images/{}/content/{}", image.digest, percent_encode(&kind)), &[]).await?;
    let done = Done::render(api, &reply, |answer| render::content(answer, &kind));
    if done.text.as_deref() == Some("") {
        return Err(Failure::local(format!("There is no image content ({kind}) to provide for {}", args.input_image)));
    }
    Ok(done)
}

async fn metadata(api: &Api, args: Metadata) -> Outcome {
    let image = known(api, &args.input_image, UNKNOWN_IMAGE).await?;
    let Some(kind) = args.metadata_type else {
        let reply = api.get(&format!("/images/{}/metadata", image.digest), &[]).await?;
        return Ok(Done::render(api, &reply, render::kinds));
    };
    let reply = api.get(&format!("/images/{}/metadata/{}", image.digest, percent_encode(&kind)), &[]).await?;
    Ok(Done::render(api, &reply, |answer| Some(render::metadata(answer))))
}

async fn vulnerabilities(api: &Api, args: Vuln) -> Outcome {
    let image = known(api, &args.input_image, UNKNOWN_IMAGE).await?;
    let query = [("vendor_only", python_bool(args.vendor_only))];
    let path = match &args.kind {
        Some(kind) => format!("/images/{}/vuln/{}", image.digest, percent_encode(kind)),
        None => format!("/images/{}/vuln", image.digest),
    };
    let reply = api.get(&path, &query).await.map_err(|mut failure| {
        if failure.message().contains("analysis_status: analyzing") {
            failure.exit = Exit::StillAnalyzing;
        } else if failure.message().contains("analysis_status: not_analyzed") {
            failure.exit = Exit::NotAnalyzed;
        }
        failure
    })?;
    if args.kind.is_none() {
        let next = format!("`killick image vuln {} all` shows the vulnerabilities", args.input_image);
        return Ok(Done::render(api, &reply, render::kinds).hinting(next));
    }
    Ok(Done::render(api, &reply, render::vulnerabilities)
        .hinting_if_empty("no vulnerabilities like this are known to be in the image"))
}

async fn delete(api: &Api, args: Del) -> Outcome {
    let Some(input) = args.input_image else {
        return Err(Failure::local("Missing argument INPUT_IMAGE"));
    };
    let image = known(api, &input, "cannot use input image string: no discovered imageDigest").await?;
    let reply = delete_one(api, &image.digest, args.force).await?;
    Ok(Done::success(api, &reply))
}

async fn delete_one(api: &Api, digest: &str, force: bool) -> Result<Reply, Failure> {
    let query: &[(&str, &str)] = if force { &[("force", "True")] } else { &[] };
    let reply = api.send("DELETE", &format!("/images/{digest}"), query, None).await?;
    if reply.body.is_object() && reply.body["status"] != "deleting" {
        return Err(Failure::refused(reply.body["detail"].as_str().unwrap_or("cannot delete image")));
    }
    Ok(reply)
}

async fn delete_all(api: &Api, force: bool, dontask: bool) -> Outcome {
    let reply = api.get("/images", &[]).await?;
    let count = reply.body.as_array().map_or(0, Vec::len);
    let question = format!("Really delete all {count} images of the account? (y/N)");
    if count > 0 && !dontask && !confirmation::is_meant_at_terminal(&question)? {
        return Ok(Done::silent());
    }
    let mut deleted = Vec::new();
    for image in reply.body.as_array().into_iter().flatten() {
        let Some(digest) = image["imageDigest"].as_str() else { continue };
        delete_one(api, digest, force).await?;
        deleted.extend(image["image_detail"].as_array().into_iter().flatten().map(render::full_tag));
    }
    Ok(Done::new(deleted.join("\n")))
}
