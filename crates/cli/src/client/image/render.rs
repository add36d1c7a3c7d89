//! What the server says of images, as anchore-cli prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::columns::{Columns, Shown, fields};
use super::super::python;
use super::List;

pub(super) fn metadata(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let lines = [
        ("Image Digest", text("imageDigest")),
        ("Metadata", decode(&answer["metadata"])),
        ("Metadata Type", text("metadata_type")),
    ];
    // An absent document has no line at all.
    lines.iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key}: {value}\n")).collect()
}

pub(super) fn full_tag(detail: &Value) -> String {
    format!("{}/{}:{}", python::field(detail, "registry"), python::field(detail, "repo"), python::field(detail, "tag"))
}

pub(super) fn kinds(answer: &Value) -> Option<String> {
    let mut text: String =
        answer.as_array()?.iter().map(|kind| format!("{}: available\n", python::str(kind))).collect();
    text.push('\n');
    Some(text)
}

pub(super) fn images(images: &Value) -> Option<String> {
    let mut text = String::new();
    for image in images.as_array()? {
        let details = image["image_detail"].as_array()?;
        let mut lines = vec![("Image Digest", python::field(image, "imageDigest"))];
        if image["parentDigest"].as_str().is_some_and(|digest| !digest.is_empty()) {
            lines.push(("Parent Digest", python::field(image, "parentDigest")));
        }
        for (title, key) in
            [("Analysis Status", "analysis_status"), ("Image Type", "image_type"), ("Analyzed At", "analyzed_at")]
        {
            lines.push((title, python::field(image, key)));
        }
        // Told by Killick only, and only if an attempt failed.
        if image["analysis_status_detail"].is_string() {
            lines.push(("Cause", python::field(image, "analysis_status_detail")));
        }
        lines.push(("Image ID", python::field(details.first()?, "imageId")));
        let metadata = &image["image_content"]["metadata"];
        if metadata.as_object().is_some_and(|fields| !fields.is_empty()) {
            for (title, key) in [
                ("Dockerfile Mode", "dockerfile_mode"),
                ("Distro", "distro"),
                ("Distro Version", "distro_version"),
                ("Size", "image_size"),
                ("Architecture", "arch"),
                ("Layer Count", "layer_count"),
            ] {
                lines.push((title, python::field(metadata, key)));
            }
        }
        if let Some(annotations) = image["annotations"].as_object().filter(|annotations| !annotations.is_empty()) {
            let pairs: Vec<String> =
                annotations.iter().map(|(key, value)| format!("{key}={}", python::str(value))).collect();
            lines.push(("Annotations", pairs.join(", ")));
        }
        text.push_str(&fields(&lines));
        for detail in details {
            text.push_str(&fields(&[
                ("Full Tag", python::field(detail, "fulltag")),
                ("Tag Detected At", python::field(detail, "tag_detected_at")),
            ]));
        }
    }
    Some(text)
}

/// The images of whose tags a part is asked for, each record with one tag, in the order of the tags.
pub(super) fn chosen(images: &Value, args: &List) -> Option<Value> {
    let mut records: Vec<Value> = Vec::new();
    for image in shown(images, args.show_all)? {
        if args.status.as_ref().is_some_and(|status| image["analysis_status"] != status.as_str()) {
            continue;
        }
        for detail in image["image_detail"].as_array()?.iter().filter(|detail| args.part.has(&full_tag(detail))) {
            let mut record = image.clone();
            record["image_detail"] = json!([detail]);
            if !records.contains(&record) {
                records.push(record);
            }
        }
    }
    records.sort_by_cached_key(|record| full_tag(&record["image_detail"][0]));
    Some(Value::Array(args.part.page_of(records)))
}

/// All images, or the latest of each tag.
fn shown(images: &Value, all: bool) -> Option<Vec<&Value>> {
    let images = images.as_array()?;
    let mut chosen: Vec<&Value> = Vec::new();
    if all {
        chosen.extend(images);
    } else {
        let mut latest: Vec<(&str, &str, &Value)> = Vec::new();
        for image in images {
            for detail in image["image_detail"].as_array()? {
                let (tag, created) = (detail["fulltag"].as_str()?, detail["created_at"].as_str()?);
                match latest.iter_mut().find(|(seen, ..)| *seen == tag) {
                    None => latest.push((tag, created, image)),
                    Some(entry) if created >= entry.1 => *entry = (tag, created, image),
                    Some(_) => {}
                }
            }
        }
        chosen.extend(latest.into_iter().map(|(.., image)| image));
    }
    Some(chosen)
}

pub(super) fn list(images: &Value, args: &List) -> Option<Shown> {
    let mut header = vec!["Full Tag", "Image Digest", "Analysis Status"];
    if args.full {
        header.push("Image ID");
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for image in shown(images, args.show_all)? {
        for detail in image["image_detail"].as_array()? {
            let mut row =
                vec![full_tag(detail), python::field(image, "imageDigest"), python::field(image, "analysis_status")];
            if args.full {
                row.push(python::field(detail, "imageId"));
            }
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    let mut table = Columns::new(&header);
    for row in rows {
        table.row(row);
    }
    Some(table.sort_by(0).shown())
}

pub(super) fn content(answer: &Value, kind: &str) -> Option<Shown> {
    if matches!(kind, "manifest" | "dockerfile" | "docker_history") {
        return Some(decode(&answer["content"]).into());
    }
    let records = answer["content"].as_array()?;
    let (header, keys): (&[&'static str], &[&str]) = match kind {
        "os" => (&["Package", "Version", "Licenses"], &["package", "version", "licenses"]),
        "files" => (&["Filename", "Size"], &["filename", "size"]),
        "java" => (
            &["Package", "Specification-Version", "Implementation-Version", "Location"],
            &["package", "specification-version", "implementation-version", "location"],
        ),
        "malware" => return Some(malware(records)),
        _ => (&["Package", "Version", "Location"], &["package", "version", "location"]),
    };
    if kind == "files" {
        return Some(files(records));
    }
    let mut table = Columns::new(header);
    for record in records {
        table.row(
            keys.iter()
                .map(|&key| match &record[key] {
                    Value::Array(words) => words.iter().map(python::str).collect::<Vec<_>>().join(" "),
                    value => python::str(value),
                })
                .collect(),
        );
    }
    Some(table.sort_by(0).shown())
}

/// Largest first; among equals the last path first, as Python's reversed sort of whole rows does.
fn files(records: &[Value]) -> Shown {
    let mut files: Vec<(u64, String)> =
        records.iter().map(|file| (file["size"].as_u64().unwrap_or(0), python::field(file, "filename"))).collect();
    files.sort();
    let mut table = Columns::new(&["Filename", "Size"]);
    for (size, name) in files.into_iter().rev() {
        table.row(vec![name, size.to_string()]);
    }
    table.shown()
}

fn malware(records: &[Value]) -> Shown {
    let mut table = Columns::new(&["Scanner", "Matched Signature", "Path"]);
    for record in records {
        for finding in record["findings"].as_array().into_iter().flatten() {
            table.row(vec![
                python::field(record, "scanner"),
                python::field(finding, "signature"),
                python::field(finding, "path"),
            ]);
        }
    }
    table.sort_by(2).shown()
}

pub(super) fn vulnerabilities(answer: &Value) -> Option<Shown> {
    let mut table = Columns::new(&[
        "Vulnerability ID",
        "Package",
        "Severity",
        "Fix",
        "CVE Refs",
        "Vulnerability URL",
        "Type",
        "Feed Group",
        "Package Path",
    ]);
    for record in answer["vulnerabilities"].as_array()? {
        let references: Vec<&str> =
            record["nvd_data"].as_array()?.iter().filter_map(|entry| entry["id"].as_str()).collect();
        let mut row: Vec<String> =
            ["vuln", "package", "severity", "fix"].iter().map(|key| python::field(record, key)).collect();
        row.push(references.join(","));
        row.extend(["url", "package_type", "feed_group", "package_path"].iter().map(|key| python::field(record, key)));
        table.row(row);
    }
    Some(table.sort_by(2).shown())
}

fn decode(content: &Value) -> String {
    let joined: String = match content {
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => text.clone(),
        _ => return String::new(),
    };
    // The server breaks its lines, as MIME does.
    let code: String = joined.split_whitespace().collect();
    STANDARD.decode(code).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
