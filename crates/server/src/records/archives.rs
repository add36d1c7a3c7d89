//! The analysis archive, and what goes into it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_store::Result;
use killick_store::archives::{ArchivedImage, NewArchived};
use killick_store::images::{FinishedAnalysis, KeptEvaluation, KeptPlace, RestoredImage, RestoredTag};
use serde_json::Value;

use super::{DOCUMENT_BYTES, Image, Records, TagName, instant, now, optional};
use crate::archive::document::{Contents, EvaluationRecord, PlaceRecord, Record, TagRecord};

/// An image to restore.
pub(crate) struct Restored {
    pub(crate) account: String,
    pub(crate) record: Record,
    pub(crate) manifest: Vec<u8>,
    pub(crate) verdicts: Vec<Vec<u8>>,
    pub(crate) done: FinishedAnalysis,
    /// The Dockerfile that was guessed of its configuration, which holds for all images with that.
    pub(crate) guess: Option<String>,
}

/// Of verdicts, oldest first, that only differ in their findings the newest: an archive is read as a whole, and has room
/// for so many.
fn outcomes(mut verdicts: Vec<KeptEvaluation>) -> Vec<KeptEvaluation> {
    let mut newer = BTreeMap::new();
    verdicts.reverse();
    verdicts.retain(|kept| {
        let outcome = (kept.policy_digest.clone(), kept.action.clone());
        newer.insert((kept.tag.clone(), kept.policy_id.clone()), outcome.clone()) != Some(outcome)
    });
    verdicts.reverse();
    verdicts
}

/// The places of an archived image in indexes. Of another image of an index, earlier releases did not keep its place: it is
/// not the one that the digest of the index stands for.
fn places(record: &Record) -> Vec<KeptPlace> {
    let kept = |place: &PlaceRecord| KeptPlace {
        index_digest: place.index_digest.clone(),
        position: place.position,
        platform: killick_store::text::column(&place.platform),
    };
    let mut places: Vec<KeptPlace> = record.places.iter().map(kept).collect();
    if places.is_empty()
        && let Some(index) = &record.index_digest
        && record.tags.iter().any(|tag| tag.child)
    {
        places.push(KeptPlace { index_digest: index.clone(), position: 1, platform: String::new() });
    }
    places
}

impl Records {
    /// Everything that is known of an image.
    pub(crate) async fn archive_contents(&self, image: &Image) -> Result<Contents> {
        let (account, digest) = (image.account.as_str(), image.digest.as_str());
        let row = self.store.image(account, digest).await?;
        let tag = |row: killick_store::images::ImageTag| TagRecord {
            registry: row.registry,
            repository: row.repository,
            tag: row.tag,
            detected_at: instant(row.detected_at),
            child: row.child,
            index_digest: row.index_digest,
        };
        let mut tags: Vec<TagRecord> = self.store.tags_of_image(account, digest).await?.into_iter().map(tag).collect();
        tags.reverse();
        let place = |row: KeptPlace| PlaceRecord {
            index_digest: row.index_digest,
            position: row.position,
            platform: row.platform,
        };
        let places = self.store.places_of_image(account, digest).await?.into_iter().map(place).collect();
        let (mut evaluations, mut verdicts) = (Vec::new(), Vec::new());
        for kept in outcomes(self.store.evaluations_of_image(account, digest).await?) {
            verdicts.push(self.store.blobs().get(&kept.result, DOCUMENT_BYTES).await?);
            evaluations.push(EvaluationRecord {
                tag: kept.tag,
                policy_id: kept.policy_id,
                policy_digest: kept.policy_digest,
                action: kept.action,
                superseded: kept.superseded,
                created_at: instant(kept.created_at),
                updated_at: instant(kept.updated_at),
            });
        }
        let first = self.store.first_detected(account, digest).await?;
        let first_detected =
            first.into_iter().map(|row| (row.vulnerability, row.package, instant(row.detected_at))).collect();
        let record = Record {
            digest: row.digest,
            index_digest: row.index_digest,
            guessed_dockerfile: self.guess(&row.config_digest).await?,
            config_digest: row.config_digest,
            given_id: row.given_id,
            annotations: image.annotations.clone(),
            dockerfile: image.dockerfile.clone(),
            size_bytes: row.size_bytes,
            created_at: image.created_at,
            analyzed_at: image.analyzed_at.unwrap_or(Timestamp::UNIX_EPOCH),
            tags,
            places,
            evaluations,
            first_detected,
        };
        Ok(Contents { record, manifest: self.manifest(image).await?, analysis: self.analysis(image).await?, verdicts })
    }

    /// Remembers that an image is archived in that document, of so many bytes.
    pub(crate) async fn keep_archived(
        &self,
        account: &str,
        record: &Record,
        document: Digest,
        size: u64,
    ) -> Result<()> {
        // Each tag once, since it was last seen.
        let mut tags: BTreeMap<(&str, &str, &str), (Timestamp, bool)> = BTreeMap::new();
        for tag in &record.tags {
            let seen = (tag.detected_at, tag.child);
            let last = tags.entry((&tag.registry, &tag.repository, &tag.tag)).or_insert(seen);
            *last = seen.max(*last);
        }
        let name = |(registry, repository, tag): (&str, &str, &str)| TagName {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        };
        let new = NewArchived {
            account: account.to_owned(),
            digest: record.digest.clone(),
            index_digest: record.index_digest.clone(),
            annotations: Value::Object(record.annotations.clone()).to_string(),
            document,
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            analyzed_at: record.analyzed_at.as_microsecond(),
            tags: tags.into_iter().map(|(tag, (at, child))| (name(tag), at.as_microsecond(), child)).collect(),
        };
        self.store.archive_image(&new, now()).await.map(drop)
    }

    /// The archived analysis of an image, if there is one.
    pub(crate) async fn archived(&self, account: &str, digest: &str) -> Result<Option<ArchivedImage>> {
        optional(self.store.archived_image(account, digest).await)
    }

    /// The document of an archived analysis.
    pub(crate) async fn archived_document(&self, archived: &ArchivedImage) -> Result<Vec<u8>> {
        self.store.blobs().get(&archived.document, DOCUMENT_BYTES).await
    }

    /// Writes an image back with all that was known of it.
    pub(crate) async fn restore(&self, restored: Restored) -> Result<Image> {
        let Restored { account, record, manifest, verdicts, done, guess } = restored;
        let blobs = self.store.blobs();
        let places = places(&record);
        let manifest = if manifest.is_empty() { None } else { Some(blobs.put(manifest).await?) };
        let mut evaluations = Vec::new();
        for (kept, verdict) in record.evaluations.into_iter().zip(verdicts) {
            evaluations.push(KeptEvaluation {
                tag: kept.tag,
                policy_id: kept.policy_id,
                policy_digest: kept.policy_digest,
                action: kept.action,
                result: blobs.put(verdict).await?,
                superseded: kept.superseded,
                created_at: kept.created_at.as_microsecond(),
                updated_at: kept.updated_at.as_microsecond(),
            });
        }
        if let Some(guess) = guess {
            self.keep_guess(&record.config_digest, &guess).await?;
        }
        // Earlier releases kept neither places nor the index of a tag.
        let index = record.index_digest.clone().filter(|_| record.places.is_empty());
        let tag = |tag: TagRecord| RestoredTag {
            name: TagName { registry: tag.registry, repository: tag.repository, tag: tag.tag },
            detected_at: tag.detected_at.as_microsecond(),
            child: tag.child,
            index_digest: tag.index_digest.or_else(|| index.clone()),
        };
        // Annotations are texts.
        let text = |(key, value): (String, Value)| match value {
            Value::String(_) => (key, value),
            other => (key, Value::String(other.to_string())),
        };
        let annotations = Value::Object(record.annotations.into_iter().map(text).collect());
        let new = RestoredImage {
            account,
            digest: record.digest,
            index_digest: record.index_digest,
            config_digest: record.config_digest,
            given_id: record.given_id,
            annotations: annotations.to_string(),
            dockerfile: record.dockerfile,
            manifest,
            created_at: record.created_at.as_microsecond(),
            analyzed_at: record.analyzed_at.as_microsecond(),
            tags: record.tags.into_iter().map(tag).collect(),
            places,
            evaluations,
            first_detected: record
                .first_detected
                .into_iter()
                .map(|(one, other, at)| (one, other, at.as_microsecond()))
                .collect(),
            done,
        };
        let row = self.store.restore_image(&new, now()).await?;
        self.with_tags(row).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_outcome_the_newest_is_archived() {
        let verdict = |number: i64, tag: &str, policy: &str, action: &str| KeptEvaluation {
            tag: tag.to_owned(),
            policy_id: policy.to_owned(),
            policy_digest: Digest::of(policy.as_bytes()),
            action: action.to_owned(),
            result: Digest::of(&number.to_le_bytes()),
            superseded: true,
            created_at: number,
            updated_at: number,
        };
        let all = vec![
            verdict(1, "1", "p", "stop"),
            verdict(2, "2", "p", "stop"),
            verdict(3, "1", "q", "go"),
            verdict(4, "1", "p", "stop"),
            verdict(5, "1", "p", "go"),
            verdict(6, "1", "p", "stop"),
            verdict(7, "1", "q", "go"),
        ];
        let kept: Vec<i64> = outcomes(all).iter().map(|kept| kept.created_at).collect();
        assert_eq!(kept, [2, 4, 5, 6, 7]);
    }
}
