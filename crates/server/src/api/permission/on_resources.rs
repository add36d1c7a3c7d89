//! Permissions of those whom a role narrows to some resources: what a request is about has to be named before anything can be
//! done. Looking it up is no secret: whoever changes something in an account reads all of it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use killick_store::alerts::Alert;
use killick_store::subscriptions::Subscription;

use super::{Action, CreateImage, Guarded, ImportImages, Permission, UpdatePolicy, admit};
use crate::api::error::ApiError;
use crate::archive::document::Contents;
use crate::auth::{Grants, Resource};
use crate::images::{self, AddImage, Found, Wanted};
use crate::imports::ImportImage;
use crate::records::{Image, Policy, TagName, optional};
use crate::{archive, repositories};

/// Proof that the caller may do `P` at least to something. What it takes to do it is out of reach until the handler has named
/// what that is, and the caller may do it to all of that.
pub(crate) struct PermissionOn<P>(Permission<P>);

impl<P: Action> FromRequestParts<Guarded> for PermissionOn<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, guarded: &Guarded) -> Result<Self, ApiError> {
        admit(parts, guarded, Grants::may_somewhere).await.map(Self)
    }
}

impl<P: Action> PermissionOn<P> {
    /// To do it to these. What is none of them is about everything.
    pub(crate) fn on(self, resources: impl IntoIterator<Item = Resource>) -> Result<Permission<P>, ApiError> {
        self.check(resources)?;
        Ok(self.0)
    }

    /// To do it to an image, given by its digest or that of an index: all of its repositories must be the caller's.
    pub(crate) async fn on_image(self, digest: &str) -> Result<(Permission<P>, Option<Image>), ApiError> {
        let image = self.image(digest).await?;
        Ok((self.0, image))
    }

    /// To do it to an image, given by its id or digest.
    pub(crate) async fn on_image_by_id(self, id: &str) -> Result<(Permission<P>, Option<Image>), ApiError> {
        let image = self.0.app.records().image_by_id(&self.0.account, id).await?;
        self.check_image(image.as_ref())?;
        Ok((self.0, image))
    }

    /// To do it to several images.
    pub(crate) async fn on_images(self, digests: &[&str]) -> Result<(Permission<P>, Vec<Option<Image>>), ApiError> {
        let mut images = Vec::new();
        for digest in digests {
            images.push(self.image(digest).await?);
        }
        Ok((self.0, images))
    }

    /// To do it to an image in the archive, if it is there.
    pub(crate) async fn on_archived(self, digest: &str) -> Result<Permission<P>, ApiError> {
        self.check_archived(digest).await?;
        Ok(self.0)
    }

    /// To put images into the archive, where they may be already, perhaps with other tags.
    pub(crate) async fn on_images_and_archived(self, digests: &[&str]) -> Result<Permission<P>, ApiError> {
        for digest in digests.iter().filter(|_| !self.is_whole()) {
            self.image(digest).await?;
            self.check_archived(digest).await?;
        }
        Ok(self.0)
    }

    /// To do it to the subscription of such a key: that of a tag (`registry/repository:tag`), or of a repository (`repo_update`).
    pub(crate) fn on_key(self, kind: &str, key: &str) -> Result<Permission<P>, ApiError> {
        self.on(of_key(kind, key))
    }

    /// To do it to a subscription.
    pub(crate) async fn on_subscription(self, id: &str) -> Result<(Permission<P>, Option<Subscription>), ApiError> {
        let found = optional(self.0.app.records().store().subscription(&self.0.account, id).await)?;
        if let Some(found) = &found {
            self.check(of_key(&found.r#type, &found.key))?;
        }
        Ok((self.0, found))
    }

    /// To do it to the alert of a tag.
    pub(crate) async fn on_alert(self, id: i64) -> Result<(Permission<P>, Option<Alert>), ApiError> {
        let found = optional(self.0.app.records().store().alert(&self.0.account, id).await)?;
        if let Some(found) = &found {
            self.check(of_tag(&found.tag))?;
        }
        Ok((self.0, found))
    }

    fn is_whole(&self) -> bool {
        self.0.caller.grants.may(P::NAME, P::SCOPE)
    }

    /// Refuses what is about other things than the caller's; what names nothing is about everything.
    fn check(&self, resources: impl IntoIterator<Item = Resource>) -> Result<(), ApiError> {
        if self.is_whole() {
            return Ok(());
        }
        let Permission { caller, account, .. } = &self.0;
        let mut resources = resources.into_iter().peekable();
        if resources.peek().is_none() {
            return Err(ApiError::forbidden(account, P::NAME, "*"));
        }
        match resources.find(|resource| !caller.grants.may_on(P::NAME, P::SCOPE, resource)) {
            Some(other) => Err(ApiError::forbidden(account, P::NAME, &other.to_string())),
            None => Ok(()),
        }
    }

    async fn image(&self, digest: &str) -> Result<Option<Image>, ApiError> {
        let image = self.0.app.records().image(&self.0.account, digest).await?;
        self.check_image(image.as_ref())?;
        Ok(image)
    }

    fn check_image(&self, image: Option<&Image>) -> Result<(), ApiError> {
        let Some(image) = image else { return Ok(()) };
        self.check(image.tags.iter().map(|tag| Resource::repository(&tag.registry, &tag.repository)))
    }

    async fn check_archived(&self, digest: &str) -> Result<(), ApiError> {
        let (records, account) = (self.0.app.records(), &self.0.account);
        if self.is_whole() || records.archived(account, digest).await?.is_none() {
            return Ok(());
        }
        let tags = records.store().archived_tags(account, Some(digest)).await?;
        self.check(tags.iter().map(|tag| Resource::repository(&tag.registry, &tag.repository)))
    }

    /// Whom a role narrows goes on with no import but their own.
    async fn check_import(&self, id: &str) -> Result<(), ApiError> {
        if self.is_whole() {
            return Ok(());
        }
        let import = self.0.app.records().store().import(&self.0.account, id).await?;
        if import.created_by.as_ref() == Some(&self.0.caller.user) { Ok(()) } else { self.check([]) }
    }
}

impl PermissionOn<CreateImage> {
    /// To add what a reference means, and what that is: its repository and that of the tag must be the caller's, and those of
    /// what is there already, as far as more is changed of it than its tags.
    pub(crate) async fn on_addition(self, wanted: &AddImage) -> Result<(Permission<CreateImage>, Found), ApiError> {
        let repository = |wanted: &Wanted| Resource::repository(&wanted.registry, &wanted.repository);
        self.check([repository(&wanted.pull), repository(&wanted.tag)])?;
        let (app, account) = (&self.0.app, &self.0.account);
        let found = images::find(app, account, wanted).await?;
        if !self.is_whole() {
            for image in images::changed(app, account, wanted, &found).await? {
                self.check_image(Some(&image))?;
            }
        }
        Ok((self.0, found))
    }

    /// To make an image of what was uploaded to an import.
    pub(crate) async fn on_imported(self, wanted: &ImportImage) -> Result<Permission<CreateImage>, ApiError> {
        if !self.is_whole() {
            let tags = std::iter::once(&wanted.tag).chain(&wanted.other_tags);
            self.check(tags.map(|TagName { registry, repository, .. }| Resource::repository(registry, repository)))?;
            self.check_import(&wanted.operation).await?;
            for digest in [Some(&wanted.digest), wanted.index_digest.as_ref()].into_iter().flatten() {
                self.image(&digest.to_string()).await?;
            }
        }
        Ok(self.0)
    }
}

impl PermissionOn<ImportImages> {
    /// To begin an import: of which repositories it is, only the image says that is made of it.
    pub(crate) fn on_new_import(self) -> Permission<ImportImages> {
        self.0
    }

    /// To go on with an import.
    pub(crate) async fn on_import(self, id: &str) -> Result<Permission<ImportImages>, ApiError> {
        self.check_import(id).await?;
        Ok(self.0)
    }

    /// To restore an image from the bytes of a document, and what that says.
    pub(crate) async fn on_document(self, bytes: Vec<u8>) -> Result<(Permission<ImportImages>, Contents), ApiError> {
        let contents = archive::read(&self.0.app, bytes).await?;
        let tags = &contents.record.tags;
        self.check(tags.iter().map(|tag| Resource::repository(&tag.registry, &tag.repository)))?;
        if !self.is_whole() {
            let record = &contents.record;
            let indexes = record.places.iter().map(|place| &place.index_digest).chain(&record.index_digest);
            for digest in indexes.chain([&record.digest]) {
                self.image(&digest.to_string()).await?;
            }
        }
        Ok((self.0, contents))
    }
}

impl PermissionOn<UpdatePolicy> {
    /// To change a policy. One that is to judge from then on where another one did is about all of them.
    pub(crate) async fn on_policy(
        self,
        id: &str,
        active: bool,
    ) -> Result<(Permission<UpdatePolicy>, Option<Policy>), ApiError> {
        let policy = self.0.app.records().policy(&self.0.account, id).await?;
        let activates = active && !policy.as_ref().is_some_and(|policy| policy.active);
        self.check((!activates).then(|| Resource::policy(id)))?;
        Ok((self.0, policy))
    }
}

/// The repository that a subscription is about, if its key names one.
fn of_key(kind: &str, key: &str) -> Option<Resource> {
    if kind == repositories::KIND {
        return key.split_once('/').map(|(registry, repository)| Resource::repository(registry, repository));
    }
    of_tag(key)
}

fn of_tag(tag: &str) -> Option<Resource> {
    Wanted::of_key(tag).map(|tag| Resource::repository(&tag.registry, &tag.repository))
}
