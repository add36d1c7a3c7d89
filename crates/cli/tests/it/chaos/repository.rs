//! A watched repository in which new tags appear.

use std::time::Duration;

use serde_json::{Value, json};

use super::dice::Dice;
use super::{Tag, World};

const ACCOUNT: &str = "stream";
const REPOSITORY: &str = "stream/app";

impl World {
    /// Watches a repository with one tag, and publishes more; each is told of when it was analysed.
    pub(super) async fn grow_repository(&self) -> Vec<Tag> {
        self.make_account(ACCOUNT).await;
        let publish = |number: u64| {
            let name = format!("{REPOSITORY}:{number}");
            Tag { account: ACCOUNT, digests: vec![self.upstream.publish(&name, &format!("stream-{number}"))], name }
        };
        let mut tags = vec![publish(0)];
        let path = format!("/v1/repositories?repository={}/{REPOSITORY}&autosubscribe=false", self.upstream.address);
        let (status, answer) = self.fleet.call(ACCOUNT, "POST", &path, Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        let mut dice = Dice::new(self.seed, "repository");
        for number in 1..=3 * self.share() {
            tokio::time::sleep(Duration::from_millis(dice.below(3000))).await;
            tags.push(publish(number));
        }
        for tag in &tags {
            self.wait_told(&self.told_as("analysis_update", tag, &tag.digests[0])).await;
        }
        tags
    }

    /// Every tag is one image that was added once, and known once.
    pub(super) async fn check_repository(&self, tags: &[Tag]) {
        self.check_told(ACCOUNT, &tags.iter().flat_map(|tag| self.told_of_images(tag)).collect()).await;
        self.check_images(ACCOUNT, tags.iter()).await;
        self.check_analyses(ACCOUNT, tags.len()).await;
        let images = self.get(ACCOUNT, "/v1/images?history=true").await;
        for image in images.as_array().unwrap() {
            assert_eq!(image["image_detail"].as_array().map(Vec::len), Some(1), "{image}");
        }
        let mut want: Vec<String> = (0..tags.len()).map(|number| number.to_string()).collect();
        want.sort();
        let known = async || {
            let watched = self.get(ACCOUNT, "/v2/subscriptions?type=repo_update").await;
            let value: Value = serde_json::from_str(watched["items"][0]["value"].as_str().unwrap()).unwrap();
            let mut tags: Vec<String> = serde_json::from_value(value["repotags"].clone()).unwrap();
            tags.sort();
            (tags, watched["items"].as_array().map(Vec::len), value["tagcount"].clone())
        };
        let want = (want, Some(1), json!(tags.len()));
        self.wait_until(&format!("the tags of the repository are {want:?}"), async || known().await == want).await;
    }
}
