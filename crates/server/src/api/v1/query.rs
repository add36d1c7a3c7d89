//! Queries over all images of an account, and over what is known of vulnerabilities.

use axum::Json;
use killick_model::severity::Severity;
use killick_report::vulnerabilities::{WontFix, feed_group, package_type};
use killick_store::packages::PackageRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use super::page::{Page, Shown};
use super::standalone::{names_package, record};
use crate::api::error::ApiError;
use crate::api::input::Query;
use crate::api::permission::{Authenticated, Guarded, ListImages, Permission};
use crate::judge::{self, Vulnerable, Wanted};
use crate::records::{Carrier, package_kind};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(images_by_package))
        .routes(routes!(images_by_vulnerability))
        .routes(routes!(vulnerabilities))
}

#[utoipa::path(get, path = "/query/images/by_package", tag = "Query",
    params(("name" = String, Query), ("version" = Option<String>, Query), ("package_type" = Option<String>, Query),
           ("page" = Option<String>, Query), ("limit" = Option<u64>, Query, minimum = 0)),
    responses((status = 200, body = ImagesWithPackages)))]
async fn images_by_package(
    require: Permission<ListImages>,
    query: Query,
) -> Result<Json<ImagesWithPackages>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let name = query.required("name")?;
    let page = Page::read(&query)?;
    let (version, kind) = (query.text("version"), query.text("package_type"));
    let mut packages = app.records().packages_called(name).await?;
    packages.retain(|_, row| {
        kind.is_none_or(|kind| kind == word(row)) && version.is_none_or(|version| version == shown_version(row))
    });
    let numbers: Vec<i64> = packages.keys().copied().collect();
    let (limit, offset) = page.part();
    let (carriers, total_count) = app.records().carriers(account, &numbers, limit, offset).await?;
    let shown = page.shown(carriers, total_count);
    let mut images = Vec::with_capacity(shown.items.len());
    for carrier in &shown.items {
        let mut found: Vec<PackageReference> = Vec::new();
        for row in carrier.packages.iter().filter_map(|number| packages.get(number)) {
            let package = PackageReference {
                name: row.name.clone(),
                version: shown_version(row).to_owned(),
                package_type: word(row).to_owned(),
            };
            // Of several architectures.
            if !found.contains(&package) {
                found.push(package);
            }
        }
        images.push(ImageWithPackages { image: reference(carrier), packages: found });
    }
    let (paging, _) = paging(shown);
    Ok(Json(ImagesWithPackages { images, paging }))
}

#[utoipa::path(get, path = "/query/images/by_vulnerability", tag = "Query",
    params(("vulnerability_id" = String, Query), ("namespace" = Option<String>, Query),
           ("affected_package" = Option<String>, Query), ("severity" = Option<String>, Query, pattern = "^(Unknown|Negligible|Low|Medium|High|Critical)$"),
           ("vendor_only" = Option<bool>, Query), ("page" = Option<String>, Query), ("limit" = Option<u64>, Query, minimum = 0)),
    responses((status = 200, body = VulnerableImages)))]
async fn images_by_vulnerability(
    require: Permission<ListImages>,
    query: Query,
) -> Result<Json<VulnerableImages>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let vulnerability = query.required("vulnerability_id")?;
    let page = Page::read(&query)?;
    let severities = Severity::ALL.map(Severity::title);
    let wont_fix = if query.flag("vendor_only")?.unwrap_or(true) { WontFix::LeftOut } else { WontFix::Included };
    let wanted = Wanted {
        vulnerability,
        namespace: query.text("namespace"),
        package: query.text("affected_package"),
        severity: query.word("severity", &severities)?,
        wont_fix,
    };
    let shown = match judge::vulnerable(app, account, &wanted, judge::Part::ALL).await? {
        Vulnerable::Packages(findings) => {
            let numbers: Vec<i64> = findings.keys().copied().collect();
            let (limit, offset) = page.part();
            let (carriers, total_count) = app.records().carriers(account, &numbers, limit, offset).await?;
            let told = |carrier: Carrier| {
                let of_packages = carrier.packages.iter().filter_map(|number| findings.get(number));
                let records: Vec<Value> = of_packages.flatten().cloned().collect();
                (carrier, records)
            };
            page.shown(carriers.into_iter().map(told).collect(), total_count)
        }
        Vulnerable::Images(images) => page.show(images),
    };
    let mut images = Vec::with_capacity(shown.items.len());
    for (carrier, records) in &shown.items {
        let vulnerable_packages = records.iter().map(VulnerablePackage::of).collect();
        images.push(VulnerableImage { image: reference(carrier), vulnerable_packages });
    }
    let (paging, _) = paging(shown);
    Ok(Json(VulnerableImages { images, paging }))
}

#[utoipa::path(get, path = "/query/vulnerabilities", tag = "Query",
    params(("id" = String, Query), ("affected_package" = Option<String>, Query),
           ("affected_package_version" = Option<String>, Query), ("namespace" = Option<String>, Query),
           ("page" = Option<String>, Query), ("limit" = Option<u64>, Query, minimum = 0)),
    responses((status = 200, body = Vulnerabilities)))]
async fn vulnerabilities(require: Permission<Authenticated>, query: Query) -> Result<Json<Vulnerabilities>, ApiError> {
    query.required("id")?;
    let page = Page::read(&query)?;
    let owned = |name: &str| query.text(name).map(str::to_owned);
    let (package, version) = (owned("affected_package"), owned("affected_package_version"));
    if package.is_none() && version.is_some() {
        return Err(ApiError::bad_request("`affected_package_version` says nothing without `affected_package`"));
    }
    let list = |name: &str| query.list(name).map(|items| items.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let (ids, namespaces) = (list("id").unwrap_or_default(), list("namespace"));
    let known = judge::known(&require.app, ids).await?;
    let known = known.iter().filter(|told| {
        let is_in = |namespaces: &Vec<String>| namespaces.iter().any(|name| name == feed_group(&told.namespace));
        namespaces.as_ref().is_none_or(is_in)
            && package.as_deref().is_none_or(|package| names_package(told, package, version.as_deref()))
    });
    let mut records: Vec<Value> = known.map(record).collect();
    // By their text, as the original ordered pages.
    records.sort_by_cached_key(Value::to_string);
    let (paging, vulnerabilities) = paging(page.show(records));
    Ok(Json(Vulnerabilities { vulnerabilities, paging }))
}

/// The word of the API for its kind.
fn word(row: &PackageRow) -> &str {
    match package_kind(row) {
        Some(kind) => package_type(kind),
        None => &row.kind,
    }
}

/// The version as the API writes it: without the epoch of an RPM.
fn shown_version(row: &PackageRow) -> &str {
    match (row.kind.as_str(), row.version.split_once(':')) {
        ("rpm", Some((_, version))) => version,
        _ => &row.version,
    }
}

fn reference(carrier: &Carrier) -> ImageReference {
    let tag_history = carrier.tags.iter().map(|tag| TagEntry {
        fulltag: tag.full(),
        tag_detected_at: seconds(tag.detected_at),
        registry: tag.registry.clone(),
        repo: tag.repository.clone(),
        tag: tag.tag.clone(),
    });
    ImageReference {
        analyzed_at: carrier.analyzed_at.map(seconds).unwrap_or_default(),
        image_digest: carrier.digest.clone(),
        image_id: carrier.image_id.clone(),
        tag_history: tag_history.collect(),
    }
}

fn paging<T>(shown: Shown<T>) -> (Paging, Vec<T>) {
    let paging = Paging {
        page: shown.page,
        next_page: shown.next_page,
        returned_count: shown.items.len(),
        total_count: shown.total_count,
    };
    (paging, shown.items)
}

#[derive(Debug, Serialize, ToSchema)]
struct Paging {
    page: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
    returned_count: usize,
    total_count: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImagesWithPackages {
    images: Vec<ImageWithPackages>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImageWithPackages {
    image: ImageReference,
    packages: Vec<PackageReference>,
}

#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct PackageReference {
    name: String,
    version: String,
    #[serde(rename = "type")]
    package_type: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct VulnerableImages {
    images: Vec<VulnerableImage>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Debug, Serialize, ToSchema)]
struct VulnerableImage {
    image: ImageReference,
    vulnerable_packages: Vec<VulnerablePackage>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VulnerablePackage {
    name: String,
    version: String,
    #[serde(rename = "type")]
    package_type: String,
    namespace: String,
    severity: String,
}

impl VulnerablePackage {
    /// Out of a vulnerability record of an image.
    fn of(record: &Value) -> Self {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("package_name"),
            version: text("package_version"),
            package_type: text("package_type"),
            namespace: text("feed_group"),
            severity: text("severity"),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct ImageReference {
    analyzed_at: String,
    #[serde(rename = "imageDigest")]
    image_digest: String,
    #[serde(rename = "imageId")]
    image_id: String,
    tag_history: Vec<TagEntry>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TagEntry {
    registry: String,
    repo: String,
    tag: String,
    fulltag: String,
    tag_detected_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Vulnerabilities {
    #[schema(value_type = Vec<Object>)]
    vulnerabilities: Vec<Value>,
    #[serde(flatten)]
    paging: Paging,
}
