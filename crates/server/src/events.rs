//! The types of events, by the names of version 1.

use crate::config::EventLevel;

/// A type of event: one row of `/event_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventType {
    /// `category.subcategory.name`.
    pub(crate) name: &'static str,
    /// How much it matters.
    pub(crate) level: EventLevel,
    /// What it is about.
    pub(crate) resource: &'static str,
    /// What it says.
    pub(crate) message: &'static str,
}

const fn info(name: &'static str, resource: &'static str, message: &'static str) -> EventType {
    EventType { name, level: EventLevel::Info, resource, message }
}

const fn error(name: &'static str, resource: &'static str, message: &'static str) -> EventType {
    EventType { name, level: EventLevel::Error, resource, message }
}

/// The vulnerabilities of a tag are others.
pub(crate) const VULNERABILITIES_UPDATED: EventType =
    info("user.checks.tag.vulnerabilities.update", "image_tag", "Vulnerability update detected for tagged image");
/// The verdict on a tag is another.
pub(crate) const EVALUATION_UPDATED: EventType = info(
    "user.checks.tag.policy_evaluation.update",
    "image_tag",
    "Policy evaluation update detected for a tagged image",
);
/// An image was analysed.
pub(crate) const ANALYSIS_COMPLETED: EventType =
    info("user.image.analysis.completed", "image_tag", "Image analysis available");
/// An image cannot be analysed, told of each of its tags.
pub(crate) const ANALYSIS_FAILED: EventType =
    error("user.image.analysis.failed", "image_tag", "Failed to analyze image");
/// Another policy is the active one.
pub(crate) const POLICY_ACTIVATED: EventType =
    info("user.policy.active.updated", "policy_bundle", "Active policy bundle updated to a different bundle");
/// The active policy was changed.
pub(crate) const POLICY_CHANGED: EventType =
    info("user.policy.active.content_change", "policy_bundle", "Active policy bundle content changed");
/// A registry does not have an image, or cannot be asked.
pub(crate) const LOOKUP_FAILED: EventType =
    error("system.image_analysis.registry_lookup_failed", "image_reference", "Referenced image not found in registry");
/// An image cannot be analysed.
pub(crate) const SYSTEM_ANALYSIS_FAILED: EventType =
    error("system.image_analysis.failed", "image_digest", "Failed to analyze image");
/// An archived analysis goes away.
pub(crate) const ARCHIVED_DELETED: EventType =
    info("system.analysis_archive.archived_image_deleted", "image_digest", "Archived image analysis deleted");
/// An analysis cannot be archived.
pub(crate) const ARCHIVE_FAILED: EventType =
    error("system.analysis_archive.image_archive_failed", "image_digest", "Analyzed image migration to archive failed");
/// An analysis was archived.
pub(crate) const ARCHIVED: EventType =
    info("system.analysis_archive.image_archived", "image_digest", "Analyzed image added to archive");
/// An image cannot be restored.
pub(crate) const RESTORE_FAILED: EventType = error(
    "system.image_analysis.restore_from_archive_failed",
    "image_digest",
    "Archived image restore to active images failed",
);
/// An image was restored.
pub(crate) const RESTORED: EventType =
    info("system.image_analysis.restored_from_archive", "image_digest", "Archived image restored to active images");
/// The tags of a watched repository cannot be listed.
pub(crate) const LIST_TAGS_FAILED: EventType =
    error("system.repository.list_tags_fail", "repository", "Failed to list tags in repository");
/// An update of the advisories began.
pub(crate) const SYNC_STARTED: EventType = info("system.feeds.sync.started", "feeds", "Feeds sync task started");
/// It ended well.
pub(crate) const SYNC_COMPLETED: EventType = info("system.feeds.sync.completed", "feeds", "Feeds sync task completed");
/// It did not.
pub(crate) const SYNC_FAILED: EventType = error("system.feeds.sync.failed", "feeds", "Feeds sync task failed");
/// An update of the feed began.
pub(crate) const FEED_STARTED: EventType = info("system.feeds.sync.feed_started", "feed", "Feed sync started");
/// It ended well.
pub(crate) const FEED_COMPLETED: EventType = info("system.feeds.sync.feed_completed", "feed", "Feed sync completed");
/// It did not.
pub(crate) const FEED_FAILED: EventType = error("system.feeds.sync.feed_failed", "feed", "Feed sync failed");
/// A group of the feed has other records.
pub(crate) const GROUP_COMPLETED: EventType =
    info("system.feeds.sync.group_completed", "feed_group", "Feed group sync completed");

/// An analysis cannot be taken out of the archive.
pub(crate) const ARCHIVED_DELETE_FAILED: EventType = error(
    "system.analysis_archive.archived_image_delete_failed",
    "image_digest",
    "Archived image analysis deletion failed",
);
/// A process says nothing any more.
pub(crate) const SERVICE_DOWN: EventType = error("system.service.state_transition.down", "service", "Service down");
/// It has not for long.
pub(crate) const SERVICE_ORPHANED: EventType =
    error("system.service.state_transition.orphaned", "service", "Service orphaned");
/// It is forgotten.
pub(crate) const SERVICE_REMOVED: EventType = error("system.service.removed", "service", "Service removed");
/// Nobody received a notification for as long as it is tried. The original, which keeps none, has no such type.
pub(crate) const GIVEN_UP: EventType =
    error("system.notification.given_up", "notification", "Notification given up, nobody received it");

/// Every type of version 1, by name, and one of ours. Those that no constant names are of what this service does not do, or not apart.
pub(crate) const EVENTS: &[EventType] = &[
    ARCHIVED_DELETED,
    ARCHIVED_DELETE_FAILED,
    ARCHIVE_FAILED,
    ARCHIVED,
    FEED_COMPLETED,
    FEED_FAILED,
    FEED_STARTED,
    GROUP_COMPLETED,
    error("system.feeds.sync.group_failed", "feed_group", "Feed group sync failed"),
    info("system.feeds.sync.group_started", "feed_group", "Feed group sync started"),
    SYNC_COMPLETED,
    SYNC_FAILED,
    SYNC_STARTED,
    error(
        "system.image_analysis.catalog_save_failed",
        "image_digest",
        "Failed to load image analysis from analyzer to catalog",
    ),
    info("system.image_analysis.completed", "image_tag", "Image successfully analyzed"),
    SYSTEM_ANALYSIS_FAILED,
    error("system.image_analysis.manifest_parse_fail", "image_tag", "Failed to parse image manifest for tag"),
    error(
        "system.image_analysis.policy_engine_load_failed",
        "image_digest",
        "Failed to load image analysis from analyzer to policy engine",
    ),
    LOOKUP_FAILED,
    RESTORE_FAILED,
    RESTORED,
    GIVEN_UP,
    LIST_TAGS_FAILED,
    error("system.service.authz_plugin_healthcheck_failed", "service", "Configured authz plugin failing health check"),
    SERVICE_REMOVED,
    SERVICE_DOWN,
    SERVICE_ORPHANED,
    info("system.test.random_wisdom", "wisdom", "Unsolicited random wisdom of the moment"),
    EVALUATION_UPDATED,
    VULNERABILITIES_UPDATED,
    ANALYSIS_COMPLETED,
    ANALYSIS_FAILED,
    POLICY_CHANGED,
    POLICY_ACTIVATED,
];

/// What the categories, and the subcategories in them, are about.
pub(crate) const CATEGORIES: &[(&str, &str)] = &[
    ("system", "What the service itself does, and what it cannot do."),
    ("system.analysis_archive", "Analyses that go into the archive and out of it."),
    ("system.feeds", "Updates of the advisories."),
    ("system.image_analysis", "Finding, reading and restoring images."),
    ("system.notification", "Notifications that nobody receives."),
    ("system.repository", "Looking at watched repositories."),
    ("system.service", "Processes that come and go."),
    ("system.test", "Only for trying out."),
    ("user", "What users of an account want to know."),
    ("user.checks", "Verdicts and vulnerabilities of tags that become others."),
    ("user.image", "The life of an image."),
    ("user.policy", "Changes of the policy that judges."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_version_1_and_ours_once_each_in_order() {
        assert_eq!(EVENTS.len(), 33 + 1);
        let parts = |name: &'static str| name.splitn(3, '.').collect::<Vec<_>>();
        assert!(
            EVENTS.is_sorted_by(|one, other| parts(one.name)[..2] <= parts(other.name)[..2] && one.name != other.name)
        );
        for event in EVENTS {
            let parts = parts(event.name);
            for name in [parts[0].to_owned(), parts[..2].join(".")] {
                assert!(CATEGORIES.iter().any(|(category, _)| *category == name), "{name}");
            }
        }
        assert!(CATEGORIES.is_sorted());
    }
}
