//! Judging a fleet again by following the change: what a new index knows otherwise, which packages that concerns, which
//! of their matches are others now, and in which images. No image is read, and what did not change is not looked at.
//!
//! 1. [`Changes`] compares two indexes by the digests of their segments and blocks, then entry by entry, and tells under
//!    which names packages have to be looked up again.
//! 2. [`PackageIdentity`] is all of a package, and of the image around it, that matching looks at: its distribution,
//!    the package it is owned by, whether something else stands for the standard library it was built with. So packages
//!    of equal identity have equal matches in whatever images.
//! 3. An [`Inventory`] knows the identities by the names they are looked up under, and the images that carry them;
//!    [`Fleet`] is one in memory.
//! 4. [`rejudge()`] judges the identities concerned by both indexes and tells what differs.

pub use self::changes::{ChangeOptions, ChangedKey, Changes, visit_changed_keys};
pub use self::identity::{LookupName, PackageIdentity};
pub use self::inventory::{Fleet, Inventory};
pub use self::rejudge::{ChangeKind, MatchChange, Rejudged, Totals, differing, match_identities, rejudge};
pub use crate::index::difference::Effort;

pub(crate) mod changes;
mod identity;
mod inventory;
mod rejudge;
#[cfg(test)]
mod tests;
