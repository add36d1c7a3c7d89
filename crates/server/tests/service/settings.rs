//! Settings that cannot work: the service does not start, and nothing is made.

use killick_server::{App, Config};

#[tokio::test]
async fn what_cannot_work_is_told_at_the_start() {
    for (settings, named) in [
        ("[webhooks]\ngeneral = { url = 'nope' }", "`webhooks.general` cannot be used: `url`"),
        ("[webhooks]\npolicy_eval = { url = 'ftp://h/x' }", "`webhooks.policy_eval` cannot be used: `url`"),
        ("[webhooks]\ntag_update = { url = 'http://' }", "`webhooks.tag_update` cannot be used: `url`"),
        ("[webhooks]\nevent_log = { url = 'http://h:99999/s3cret' }", "`webhooks.event_log` cannot be used: `url`"),
        ("[server]\nroles = []", "`server.roles` cannot be used"),
        ("[server]\nrequest_timeout_seconds = 0", "`server.request_timeout_seconds` cannot be used"),
        ("[server]\nheader_timeout_seconds = 0", "`server.header_timeout_seconds` cannot be used"),
        ("[server]\npublic_url = 'killick.example.com'", "`server.public_url` cannot be used"),
        ("[server]\nbody_limit_bytes = 0", "`server.body_limit_bytes` cannot be used"),
        ("[analysis]\nworkers = 0", "`analysis.workers` cannot be used"),
        ("[analysis]\nlease_seconds = 0", "`analysis.lease_seconds` cannot be used"),
        ("[retention]\nevery_seconds = 0", "`retention.every_seconds` cannot be used"),
        ("[limits]\nlayers = 0", "`limits.layers` cannot be used"),
        ("[registries]\nproxy = '::::s3cret'", "`registries.proxy` cannot be used"),
        ("[webhooks]\nsigning_secret = 'whsec_s3cret!'", "`webhooks.signing_secret` cannot be used"),
        ("[knowledge]\nupdate = 'off'\nfeeds_dir = '/no/such/folder'", "`knowledge.feeds_dir` cannot be used"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut config: Config = toml::from_str(settings).unwrap();
        config.storage.data_dir = data.path().join("data");
        let error = App::open(config).await.err().unwrap_or_else(|| panic!("{settings}: it is refused")).to_string();
        assert!(error.starts_with(named), "{settings}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert!(!data.path().join("data").exists(), "{settings}");
    }
}
