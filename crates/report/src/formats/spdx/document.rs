//! The parts of SPDX 2.3 that are written.

use serde::Serialize;

pub(super) use crate::formats::Each;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<C: Serialize> {
    #[serde(rename = "spdxVersion")]
    pub(super) version: &'static str,
    pub(super) data_license: &'static str,
    #[serde(rename = "SPDXID")]
    pub(super) id: &'static str,
    pub(super) name: String,
    #[serde(rename = "documentNamespace")]
    pub(super) namespace: String,
    pub(super) creation_info: CreationInfo,
    #[serde(flatten)]
    pub(super) contents: C,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lists<P: Serialize, F: Serialize, L: Serialize, R: Serialize> {
    pub(super) packages: P,
    pub(super) files: F,
    #[serde(rename = "hasExtractedLicensingInfos")]
    pub(super) extracted_licenses: L,
    pub(super) relationships: R,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationInfo {
    pub(super) created: String,
    pub(super) creators: Vec<String>,
    pub(super) license_list_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<String>,
    pub(super) download_location: String,
    pub(super) files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) homepage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_info: Option<String>,
    pub(super) license_concluded: String,
    pub(super) license_declared: String,
    pub(super) copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) external_refs: Vec<ExternalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) annotations: Vec<Annotation>,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(super) struct Annotation {
    #[serde(rename = "annotationDate")]
    pub(super) date: String,
    #[serde(rename = "annotationType")]
    pub(super) kind: &'static str,
    pub(super) annotator: String,
    pub(super) comment: String,
}

#[derive(Serialize, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    pub(super) algorithm: &'static str,
    #[serde(rename = "checksumValue")]
    pub(super) value: String,
}

#[derive(Serialize, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalRef {
    #[serde(rename = "referenceCategory")]
    pub(super) category: &'static str,
    #[serde(rename = "referenceType")]
    pub(super) kind: &'static str,
    #[serde(rename = "referenceLocator")]
    pub(super) locator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    #[serde(rename = "fileName")]
    pub(super) name: String,
    pub(super) checksums: Vec<Checksum>,
    pub(super) license_concluded: &'static str,
    pub(super) license_info_in_files: [&'static str; 1],
    pub(super) copyright_text: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExtractedLicense {
    pub(super) license_id: String,
    pub(super) extracted_text: String,
    pub(super) name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    #[serde(rename = "spdxElementId")]
    pub(super) from: String,
    #[serde(rename = "relationshipType")]
    pub(super) kind: &'static str,
    #[serde(rename = "relatedSpdxElement")]
    pub(super) to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<&'static str>,
}

impl Relationship {
    pub(super) fn new(from: &str, kind: &'static str, to: String) -> Self {
        Self { from: from.to_owned(), kind, to, comment: None }
    }

    pub(super) fn because(self, comment: &'static str) -> Self {
        Self { comment: Some(comment), ..self }
    }
}
