//! Rules archive images, and remove some of them from the archive; some come back.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Tag, World};

const ACCOUNT: &str = "archive";

/// Images by what becomes of them.
pub(super) struct Archive {
    /// No rule chooses them.
    kept: Vec<Tag>,
    /// A rule archives them.
    archived: Vec<Tag>,
    /// They come back.
    restored: Vec<Tag>,
    /// Another rule removes them from the archive.
    dropped: Vec<Tag>,
}

impl Archive {
    /// Those that are images in the end.
    pub(super) fn there(&self) -> impl Iterator<Item = &Tag> {
        self.kept.iter().chain(&self.restored)
    }

    /// Those that are none.
    pub(super) fn not_there(&self) -> impl Iterator<Item = &Tag> {
        self.archived.iter().chain(&self.dropped)
    }
}

impl World {
    /// Has rules archive images, takes the rules away and brings images back, twice; and has a rule remove others.
    pub(super) async fn fill_archive(&self) -> Archive {
        self.make_account(ACCOUNT).await;
        let (kept, archived, restored, dropped) =
            tokio::join!(self.shelve("kept"), self.shelve("archived"), self.shelve("restored"), self.shelve("dropped"));
        let archive = Archive { kept, archived, restored, dropped };
        for tag in [&archive.kept, &archive.archived, &archive.restored, &archive.dropped].into_iter().flatten() {
            self.wait_told(&self.told_as("analysis_update", tag, &tag.digests[0])).await;
        }
        for _ in 0..2 {
            let all = || digests(archive.not_there().chain(&archive.restored));
            for fate in ["archived", "restored", "dropped"] {
                self.add_rule("archive", fate).await;
            }
            let is_done =
                async || self.images().await == digests(archive.kept.iter()) && self.archived().await == all();
            self.wait_until("the rules archived the images", is_done).await;
            self.remove_rules().await;
            for tag in &archive.restored {
                self.restore(&tag.digests[0]).await;
            }
        }
        self.add_rule("delete", "dropped").await;
        let left = digests(archive.archived.iter().chain(&archive.restored));
        self.wait_until("the rule emptied the archive", async || self.archived().await == left).await;
        archive
    }

    /// Adds images of one fate.
    async fn shelve(&self, fate: &str) -> Vec<Tag> {
        let names = (0..self.share()).map(|number| format!("archive/{fate}{number}:latest"));
        join_all(names.map(|name| self.add(ACCOUNT, name, &[]))).await
    }

    /// Adds a rule about images of one fate. Whose answer was lost had added it: then there are two.
    async fn add_rule(&self, transition: &str, fate: &str) {
        let selector = json!({"registry": "*", "repository": format!("archive/{fate}*"), "tag": "*"});
        let (status, answer) = self
            .fleet
            .call(ACCOUNT, "POST", "/v2/archive/rules", json!({"transition": transition, "selector": selector}))
            .await;
        assert_eq!(status, 201, "{answer}");
    }

    async fn remove_rules(&self) {
        for rule in self.get(ACCOUNT, "/v2/archive/rules").await["items"].as_array().unwrap() {
            let path = format!("/v2/archive/rules/{}", rule["rule_id"].as_str().unwrap());
            let (status, answer) = self.fleet.call(ACCOUNT, "DELETE", &path, Value::Null).await;
            // Whose answer was lost had removed it.
            assert!(status == 204 || status == 404, "{answer}");
        }
    }

    /// Brings an image back, as soon as it is gone.
    async fn restore(&self, digest: &str) {
        let is_back = async || {
            let path = format!("/v2/archive/images/{digest}/restore");
            let (status, answer) = self.fleet.call(ACCOUNT, "POST", &path, Value::Null).await;
            assert!(matches!(status, 200 | 409), "{answer}");
            self.images().await.contains(digest)
        };
        self.wait_until(&format!("`{digest}` comes back"), is_back).await;
    }

    /// The digests of the images, however far they are.
    async fn images(&self) -> BTreeSet<String> {
        let images = self.get(ACCOUNT, "/v1/images?history=true&image_status=all").await;
        images.as_array().unwrap().iter().map(|image| image["imageDigest"].as_str().unwrap().to_owned()).collect()
    }

    /// The digests of what is archived, and of what is on its way out of there.
    async fn archived(&self) -> BTreeSet<String> {
        let images = self.get(ACCOUNT, "/v2/archive/images?limit=1000").await;
        let digest = |image: &Value| image["image_digest"].as_str().unwrap().to_owned();
        images["items"].as_array().unwrap().iter().map(digest).collect()
    }

    /// What is to be there is there, what came back is archived still, and what is only archived comes back.
    pub(super) async fn check_archive(&self, archive: &Archive) {
        let all = || archive.there().chain(archive.not_there());
        self.check_told(ACCOUNT, &all().flat_map(|tag| self.told_of_images(tag)).collect()).await;
        self.check_analyses(ACCOUNT, all().count()).await;
        self.check_images(ACCOUNT, archive.there()).await;
        assert_eq!(self.archived().await, digests(archive.archived.iter().chain(&archive.restored)));
        for tag in &archive.archived {
            self.restore(&tag.digests[0]).await;
        }
        self.check_images(ACCOUNT, archive.there().chain(&archive.archived)).await;
    }
}

fn digests<'t>(tags: impl Iterator<Item = &'t Tag>) -> BTreeSet<String> {
    tags.flat_map(|tag| tag.digests.clone()).collect()
}
