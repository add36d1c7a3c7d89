//! The original's envelope, for programs.

use super::{Format, Way};
use crate::webhooks::envelope;

pub(super) const FORMAT: Format =
    Format { name: "anchore", check: |_| None, way: Way::Post(|sending| envelope(sending.all, sending.notice)) };

#[cfg(test)]
mod tests {
    use super::super::tests::posted;
    use super::*;

    #[test]
    fn it_has_the_members_of_version_1() {
        let body = posted(&FORMAT, "url = 'https://h.example/'");
        assert_eq!((&body["dataId"], &body["tries"]), (&serde_json::json!("id-1"), &serde_json::json!(1)));
        assert_eq!(body["data"]["notification_payload"]["subscription_type"], "vuln_update");
    }
}
