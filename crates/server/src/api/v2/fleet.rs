//! Questions about all images of an account: which of them carry a package, which have a vulnerability.

use axum::Json;
use jiff::Timestamp;
use killick_model::package::PackageKind;
use killick_report::vulnerabilities::{WontFix, package_type};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::TagRecord;
use super::paging::{asked, bad, page};
use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{Guarded, ListImages, Permission};
use crate::judge::{self, Part, Vulnerable, Wanted};
use crate::records::Carrier;

/// Bytes of the name of a vulnerability.
const MAX_NAME: usize = 256;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(packages)).routes(routes!(vulnerable))
}

/// The images that carry a package of this name, by digest, each with the packages of that name.
#[utoipa::path(get, path = "/v2/packages", tag = "Packages",
    params(("name" = String, Query), ("version" = Option<String>, Query), ("kind" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = CarrierPage)))]
async fn packages(require: Permission<ListImages>, query: Query) -> Result<Json<CarrierPage>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let (limit, after) = asked(&query)?;
    let (version, kind) = (query.text("version"), query.text("kind"));
    let mut packages = app.records().packages_called(query.required("name")?).await?;
    packages.retain(|_, row| {
        kind.is_none_or(|kind| kind == row.kind) && version.is_none_or(|version| version == row.version)
    });
    let numbers: Vec<i64> = packages.keys().copied().collect();
    let found = app.records().carriers_after(account, &numbers, &after, limit + 1).await?;
    let (carriers, next_cursor) = page(found, limit, |carrier| carrier.digest.clone());
    let told = |carrier: Carrier| {
        let mut carried: Vec<CarriedPackage> = Vec::new();
        for row in carrier.packages.iter().filter_map(|number| packages.get(number)) {
            let package =
                CarriedPackage { name: row.name.clone(), version: row.version.clone(), kind: row.kind.clone() };
            // Of several architectures.
            if !carried.contains(&package) {
                carried.push(package);
            }
        }
        CarrierRecord { image: ImageName::of(&carrier), packages: carried }
    };
    Ok(Json(CarrierPage { items: carriers.into_iter().map(told).collect(), next_cursor }))
}

/// The images that have a vulnerability, given by any of its names, by digest, each with the packages that have it.
#[utoipa::path(get, path = "/v2/vulnerabilities/{vulnerability}/images", tag = "Vulnerabilities",
    params(("vulnerability" = String, Path), ("package" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = VulnerableImagePage)))]
async fn vulnerable(
    require: Permission<ListImages>,
    Path(vulnerability): Path<String>,
    query: Query,
) -> Result<Json<VulnerableImagePage>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let (limit, after) = asked(&query)?;
    if vulnerability.len() > MAX_NAME {
        return Err(bad(format!("the name of a vulnerability has at most {MAX_NAME} bytes")));
    }
    let wanted = Wanted {
        vulnerability: &vulnerability,
        namespace: None,
        package: query.text("package"),
        severity: None,
        wont_fix: WontFix::Included,
    };
    let found: Vec<(Carrier, Vec<Value>)> =
        match judge::vulnerable(app, account, &wanted, Part { after: &after, limit: limit + 1 }).await? {
            Vulnerable::Packages(findings) => {
                let numbers: Vec<i64> = findings.keys().copied().collect();
                let carriers = app.records().carriers_after(account, &numbers, &after, limit + 1).await?;
                let told = |carrier: Carrier| {
                    let of_packages = carrier.packages.iter().filter_map(|number| findings.get(number));
                    let records = of_packages.flatten().cloned().collect();
                    (carrier, records)
                };
                carriers.into_iter().map(told).collect()
            }
            Vulnerable::Images(images) => images,
        };
    let (images, next_cursor) = page(found, limit, |(carrier, _)| carrier.digest.clone());
    let told = |(carrier, records): (Carrier, Vec<Value>)| VulnerableImageRecord {
        image: ImageName::of(&carrier),
        packages: records.iter().map(AffectedPackage::of).collect(),
    };
    Ok(Json(VulnerableImagePage { items: images.into_iter().map(told).collect(), next_cursor }))
}

/// Some images with packages.
#[derive(Debug, Serialize, ToSchema)]
struct CarrierPage {
    items: Vec<CarrierRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// An image, and those of its packages that were asked for.
#[derive(Debug, Serialize, ToSchema)]
struct CarrierRecord {
    #[serde(flatten)]
    image: ImageName,
    packages: Vec<CarriedPackage>,
}

/// A package of an image.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct CarriedPackage {
    name: String,
    version: String,
    kind: String,
}

/// Some images with a vulnerability.
#[derive(Debug, Serialize, ToSchema)]
struct VulnerableImagePage {
    items: Vec<VulnerableImageRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// An image, and those of its packages that have the vulnerability.
#[derive(Debug, Serialize, ToSchema)]
struct VulnerableImageRecord {
    #[serde(flatten)]
    image: ImageName,
    packages: Vec<AffectedPackage>,
}

/// A package that has the vulnerability.
#[derive(Debug, Serialize, ToSchema)]
struct AffectedPackage {
    name: String,
    version: String,
    kind: String,
    /// The name of the vulnerability for such packages.
    vulnerability: String,
    /// `unknown`, `negligible`, `low`, `medium`, `high` or `critical`.
    severity: String,
    /// The versions that mend it, if there are any.
    fixed_in: Option<String>,
    /// Whether nobody will.
    will_not_fix: bool,
}

impl AffectedPackage {
    /// Out of a record in the words of version 1.
    fn of(record: &Value) -> Self {
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = PackageKind::all().find(|kind| package_type(*kind) == text("package_type"));
        Self {
            name: text("package_name").to_owned(),
            version: text("package_version").to_owned(),
            kind: kind.map_or_else(|| text("package_type").to_owned(), |kind| kind.name().to_owned()),
            vulnerability: text("vuln").to_owned(),
            severity: text("severity").to_ascii_lowercase(),
            fixed_in: Some(text("fix").to_owned()).filter(|fix| fix != "None"),
            will_not_fix: record.get("will_not_fix").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

/// What an image is known by.
#[derive(Debug, Serialize, ToSchema)]
struct ImageName {
    image_digest: String,
    /// The id that container engines show, without `sha256:`.
    image_id: String,
    #[schema(value_type = Option<String>, format = "date-time")]
    analyzed_at: Option<Timestamp>,
    /// The oldest first.
    tags: Vec<TagRecord>,
}

impl ImageName {
    fn of(carrier: &Carrier) -> Self {
        Self {
            image_digest: carrier.digest.clone(),
            image_id: carrier.image_id.clone(),
            analyzed_at: carrier.analyzed_at,
            tags: carrier.tags.iter().map(TagRecord::of).collect(),
        }
    }
}
