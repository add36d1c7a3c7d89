CREATE TABLE public.account (
    name text NOT NULL,
    type text NOT NULL,
    state text NOT NULL,
    email text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.account_user (
    username text NOT NULL,
    account text NOT NULL,
    type text NOT NULL,
    source text,
    password_hash text,
    password_set_at bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.alert (
    id bigint NOT NULL,
    account text NOT NULL,
    tag text NOT NULL,
    digest text NOT NULL,
    policy_id text NOT NULL,
    policy_digest text NOT NULL,
    opened_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    closed_at bigint,
    closed_for text,
    closed_by text
);
ALTER TABLE public.alert ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.api_key (
    id text NOT NULL,
    account text NOT NULL,
    username text NOT NULL,
    name text NOT NULL,
    role text,
    hash text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    used_at bigint
);
CREATE TABLE public.archive_history (
    id bigint NOT NULL,
    rule text NOT NULL,
    account text NOT NULL,
    digest text NOT NULL,
    transition text NOT NULL,
    created_at bigint NOT NULL
);
ALTER TABLE public.archive_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.archive_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.archive_rule (
    id text NOT NULL,
    account text NOT NULL,
    system_global boolean NOT NULL,
    transition text NOT NULL,
    registry text NOT NULL,
    repository text NOT NULL,
    tag text NOT NULL,
    analysis_age_days bigint NOT NULL,
    tag_versions_newer bigint NOT NULL,
    max_images_per_account bigint,
    exclude_registry text NOT NULL,
    exclude_repository text NOT NULL,
    exclude_tag text NOT NULL,
    exclude_expiration_days bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.archived_image (
    id bigint NOT NULL,
    account text NOT NULL,
    digest text NOT NULL,
    index_digest text,
    status text NOT NULL,
    annotations text NOT NULL,
    document text NOT NULL,
    size_bytes bigint NOT NULL,
    analyzed_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
ALTER TABLE public.archived_image ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.archived_image_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.archived_tag (
    archived_id bigint NOT NULL,
    registry text NOT NULL,
    repository text NOT NULL,
    tag text NOT NULL,
    detected_at bigint NOT NULL
);
CREATE TABLE public.audit (
    id bigint NOT NULL,
    account text NOT NULL,
    username text NOT NULL,
    user_account text NOT NULL,
    via text NOT NULL,
    action text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    request text NOT NULL,
    client text,
    before text,
    after text,
    status bigint,
    created_at bigint NOT NULL
);
ALTER TABLE public.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.blob (
    digest text NOT NULL,
    packed bytea NOT NULL,
    written_at bigint NOT NULL
);
CREATE TABLE public.evaluation (
    id bigint NOT NULL,
    account text NOT NULL,
    digest text NOT NULL,
    tag text NOT NULL,
    policy_id text NOT NULL,
    policy_digest text NOT NULL,
    action text NOT NULL,
    result text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    superseded boolean DEFAULT false NOT NULL,
    index_built_at bigint DEFAULT 0 NOT NULL,
    findings text
);
ALTER TABLE public.evaluation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.evaluation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.event (
    id bigint NOT NULL,
    account text NOT NULL,
    type text NOT NULL,
    level text NOT NULL,
    document text NOT NULL,
    created_at bigint NOT NULL,
    uuid text DEFAULT ''::text NOT NULL,
    service text DEFAULT ''::text NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    resource_type text,
    resource text,
    acknowledged_at bigint,
    acknowledged_by text
);
ALTER TABLE public.event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.feed_group (
    feed text NOT NULL,
    name text NOT NULL,
    enabled boolean NOT NULL,
    record_count bigint NOT NULL,
    synced_at bigint
);
CREATE TABLE public.first_detected (
    image_id bigint NOT NULL,
    vulnerability text NOT NULL,
    package text NOT NULL,
    detected_at bigint NOT NULL
);
CREATE TABLE public.image (
    id bigint NOT NULL,
    account text NOT NULL,
    digest text NOT NULL,
    index_digest text,
    config_digest text NOT NULL,
    analysis_status text NOT NULL,
    failure text,
    image_status text NOT NULL,
    annotations text NOT NULL,
    size_bytes bigint NOT NULL,
    architecture text NOT NULL,
    distro text NOT NULL,
    distro_version text NOT NULL,
    layer_count bigint NOT NULL,
    dockerfile text,
    dockerfile_mode text NOT NULL,
    manifest text,
    analysis text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    analyzed_at bigint,
    given_id text
);
ALTER TABLE public.image ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.image_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.image_package (
    image_id bigint NOT NULL,
    package_id bigint NOT NULL
);
CREATE TABLE public.image_tag (
    id bigint NOT NULL,
    account text NOT NULL,
    digest text NOT NULL,
    registry text NOT NULL,
    repository text NOT NULL,
    tag text NOT NULL,
    detected_at bigint NOT NULL,
    child boolean DEFAULT false NOT NULL
);
ALTER TABLE public.image_tag ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.image_tag_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.import_content (
    operation text NOT NULL,
    type text NOT NULL,
    digest text NOT NULL,
    size_bytes bigint NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.import_operation (
    id text NOT NULL,
    account text NOT NULL,
    status text NOT NULL,
    task bigint,
    expires_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.index_image (
    account text NOT NULL,
    index_digest text NOT NULL,
    image_id bigint NOT NULL,
    "position" bigint NOT NULL,
    platform text NOT NULL
);
CREATE TABLE public.knowledge (
    digest text NOT NULL,
    path text NOT NULL,
    data_at bigint NOT NULL,
    installed_at bigint NOT NULL
);
CREATE TABLE public.known_file (
    sha256 text NOT NULL,
    package_id bigint NOT NULL
);
CREATE TABLE public.known_package (
    id bigint NOT NULL,
    account text NOT NULL,
    digest text NOT NULL,
    document text NOT NULL,
    files bigint NOT NULL,
    seen_at bigint NOT NULL
);
ALTER TABLE public.known_package ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.known_package_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.layer_fact (
    diff_id text NOT NULL,
    revision text NOT NULL,
    blob text NOT NULL,
    created_at bigint NOT NULL,
    used_at bigint DEFAULT 0 NOT NULL
);
CREATE TABLE public.match_cache (
    image_id bigint NOT NULL,
    index_digest text NOT NULL,
    blob text NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.notification (
    id bigint NOT NULL,
    uuid text NOT NULL,
    account text NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    attempts bigint NOT NULL,
    due_at bigint NOT NULL,
    last_error text,
    created_at bigint NOT NULL,
    folds_at bigint,
    key text
);
ALTER TABLE public.notification ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.package (
    id bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    architecture text NOT NULL,
    source_name text NOT NULL,
    source_version text NOT NULL,
    release text NOT NULL,
    origin text NOT NULL
);
CREATE TABLE public.package_carriers (
    package_id bigint NOT NULL,
    account text NOT NULL,
    block bigint NOT NULL,
    images bigint NOT NULL
);
CREATE TABLE public.package_document (
    package_id bigint NOT NULL,
    digest text NOT NULL,
    document text NOT NULL
);
ALTER TABLE public.package ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.package_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.package_name (
    ecosystem text NOT NULL,
    name text NOT NULL,
    package_id bigint NOT NULL
);
CREATE TABLE public.policy (
    account text NOT NULL,
    id text NOT NULL,
    active boolean NOT NULL,
    document text NOT NULL,
    digest text NOT NULL,
    source text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.policy_exception (
    account text NOT NULL,
    id text NOT NULL,
    document text NOT NULL,
    created_by text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.process (
    id text NOT NULL,
    host text NOT NULL,
    base_url text NOT NULL,
    roles text NOT NULL,
    seen_at bigint NOT NULL,
    state text DEFAULT 'up'::text NOT NULL
);
CREATE TABLE public.registry (
    account text NOT NULL,
    registry text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    username text NOT NULL,
    secret bytea NOT NULL,
    verify boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.schema_version (
    version bigint NOT NULL
);
CREATE TABLE public.setting (
    key text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.subscription (
    account text NOT NULL,
    id text NOT NULL,
    key text NOT NULL,
    type text NOT NULL,
    value text,
    active boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.task (
    id bigint NOT NULL,
    kind text NOT NULL,
    account text NOT NULL,
    image text,
    payload text NOT NULL,
    priority bigint NOT NULL,
    state text NOT NULL,
    dedupe text,
    again boolean NOT NULL,
    attempts bigint NOT NULL,
    max_attempts bigint NOT NULL,
    run_after bigint NOT NULL,
    lease text,
    lease_until bigint,
    last_error text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    started_at bigint DEFAULT 0 NOT NULL,
    vanished bigint DEFAULT 0 NOT NULL,
    progress text
);
ALTER TABLE public.task ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.user_role (
    username text NOT NULL,
    role text NOT NULL,
    granted_by text NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.watch (
    account text NOT NULL,
    subscription text NOT NULL,
    due_at bigint NOT NULL,
    state text NOT NULL,
    failures bigint NOT NULL
);
CREATE TABLE public.watch_result (
    account text NOT NULL,
    subscription text NOT NULL,
    subject text NOT NULL,
    basis text NOT NULL,
    result text,
    seen_at bigint NOT NULL
);
INSERT INTO public.account VALUES ('admin', 'admin', 'enabled', 'admin@example.com', 1700000000000000, 1700000000000000);
INSERT INTO public.account VALUES ('team', 'user', 'enabled', NULL, 1700000000000001, 1700000000000001);
INSERT INTO public.account VALUES ('gone', 'user', 'disabled', NULL, 1700000000000002, 1700000000000003);
INSERT INTO public.account_user VALUES ('admin', 'admin', 'native', NULL, '$argon2id$not-a-hash', 1700000000000000, 1700000000000000, 1700000000000000);
INSERT INTO public.account_user VALUES ('alice', 'team', 'native', NULL, NULL, NULL, 1700000000000000, 1700000000000000);
INSERT INTO public.api_key VALUES ('a-key', 'team', 'alice', 'ci', 'reader', '8fa3aab2faa9b79e0a0398da5b5abd0780142442a5be80b9a64608d718cb1fcd', 1700000000000010, NULL, NULL);
INSERT INTO public.archive_history OVERRIDING SYSTEM VALUE VALUES (1, 'a-rule', 'team', 'sha256:dd9e881230ebf6e02363abdbb3566ee5aa13d0bae08caaf4334015d16a5a920d', 'archive', 1700000000000010);
INSERT INTO public.archive_rule VALUES ('a-rule', 'team', false, 'archive', '*', '*', '*', 30, 2, NULL, '', '', '', -1, 1700000000000010, 1700000000000010);
INSERT INTO public.archived_image OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'sha256:dd9e881230ebf6e02363abdbb3566ee5aa13d0bae08caaf4334015d16a5a920d', NULL, 'archived', '{}', 'sha256:76b5e95a3917038ccc2b9257c3fba0d50fa8ef7fe7df10b0f815e0ff573666eb', 500, 1700000000000010, 1700000000000010, 1700000000000010);
INSERT INTO public.archived_tag VALUES (1, 'registry.example.com', 'shop/old', '0', 1700000000000010);
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'alice', 'team', 'password', 'createPolicy', 'POST', '/policies', 'a-request', '192.0.2.7', NULL, '{}', NULL, 1700000000000010);
INSERT INTO public.evaluation OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4', 'registry.example.com/shop/web:1', 'shop', 'sha256:9fc8e00f9662da3cbd4b7e7572b13323fd6cbdb7563efb54e19ef17a0ee47518', 'stop', 'sha256:131a355f9e2d30642454c2dc34f3545dea467f930daeba1255d69da5a5f7fd80', 1700000000000008, 1700000000000008, false, 0, 'sha256:8aa3c4ce3ccdfe89f32935d164b3fb04ea01afa7a71f17c5be4f777cb7968cbc');
INSERT INTO public.event OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'user.image.analysis.completed', 'info', '{}', 1700000000000009, '0123456789abcdef0123456789abcdef', 'analyzer', 'killick', 'image_tag', 'registry.example.com/shop/web:1', NULL, NULL);
INSERT INTO public.feed_group VALUES ('vulnerabilities', 'debian:12', true, 7, 1700000000000000);
INSERT INTO public.first_detected VALUES (1, 'CVE-2024-0001', 'openssl 1.0-1', 1700000000000007);
INSERT INTO public.image OVERRIDING SYSTEM VALUE VALUES (2, 'team', 'sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826', 'sha256:43199dca2666823e79f2c54f15f35215965e50dc29c785553aeb0686f2668a07', 'sha256:cf1c4acc4c8947ecc32cd9d6da7f461448d052352ae77906c7cb318a2977d812', 'analysis_failed', 'no such layer', 'active', '{"owner":"shop"}', 1000, 'amd64', '', '', 2, 'FROM debian:12
', 'Actual', 'sha256:e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9', NULL, 1700000000000000, 1700000000000006, NULL, NULL);
INSERT INTO public.image OVERRIDING SYSTEM VALUE VALUES (3, 'team', 'sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71', 'sha256:84ee3e782567927dc7e30f061c952f510d26b8a9cdf83cfdcacc9640583cd4d2', 'sha256:2f22f007d75ab8abb957762d5f9a02407a5fe80304405e6e0cf8f8b7c89b4815', 'not_analyzed', NULL, 'active', '{"owner":"shop"}', 1000, 'amd64', '', '', 2, 'FROM debian:12
', 'Actual', 'sha256:e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9', NULL, 1700000000000000, 1700000000000000, NULL, NULL);
INSERT INTO public.image OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4', 'sha256:5c4f71bd08c23d8cbae91df7be28cf3be1fb03577747490c0fc160f5cf8ce979', 'sha256:7eae28db6f463c877afaf70f68a8d63f1dadbd255cfdbf98c7865511ecb0a518', 'analyzed', NULL, 'active', '{"owner":"shop"}', 4000, 'amd64', 'debian', '12', 2, 'FROM debian:12
', 'Actual', 'sha256:e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9', 'sha256:c169bf94e9f5fca111ea0dfeb2f40b59822479eaa489c43ac780ef464ba6993d', 1700000000000000, 1700000000000005, 1700000000000005, NULL);
INSERT INTO public.image_package VALUES (1, 1);
INSERT INTO public.image_package VALUES (1, 2);
INSERT INTO public.image_tag OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4', 'registry.example.com', 'shop/web', '1', 1700000000000000, false);
INSERT INTO public.image_tag OVERRIDING SYSTEM VALUE VALUES (2, 'team', 'sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826', 'registry.example.com', 'shop/web', '2', 1700000000000000, false);
INSERT INTO public.image_tag OVERRIDING SYSTEM VALUE VALUES (3, 'team', 'sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71', 'registry.example.com', 'shop/web', '3', 1700000000000000, false);
INSERT INTO public.import_content VALUES ('an-import', 'manifest', 'sha256:3cef1b245d4b2f37dadddcbadb76017d440ba283601228724c0cb2c07d35bed4', 8, 1700000000000010);
INSERT INTO public.import_operation VALUES ('an-import', 'team', 'pending', NULL, 1700086400000010, 1700000000000010, 1700000000000010);
INSERT INTO public.knowledge VALUES ('sha256:13f28396e236ef752a2f8e7911c5ecc6750e3c9b96114475b260cc73cdd06d3a', 'advisories.db', 1700000000000000, 1700000000000000);
INSERT INTO public.known_file VALUES ('31f109ab38348582abdc9e1c9942f74505c719e98c6d0ab6fbcfdccfd8c9935b', 1);
INSERT INTO public.known_package OVERRIDING SYSTEM VALUE VALUES (1, 'team', 'sha256:8d95de48b88385928479587d78c22a00754b584c1e1e7108ee2fb1e81ff52c4a', '{"name":"openssl"}', 1, 1700000000000010);
INSERT INTO public.layer_fact VALUES ('sha256:e28d98ac666afd34f089b971a663264d54d67a60ddc82996d48d8f3c204eb75f', 'revision', 'sha256:0694aacb66d62e742a92e8d5f1e82bd9d2a8ca1be88744201fbe63d0f5007502', 1700000000000000, 1700000000000000);
INSERT INTO public.match_cache VALUES (1, 'sha256:13f28396e236ef752a2f8e7911c5ecc6750e3c9b96114475b260cc73cdd06d3a', 'sha256:a54084383e3cf7c246307c0f656da443a587afe30dd18a1878c2fcad9db93da4', 1700000000000007);
INSERT INTO public.notification OVERRIDING SYSTEM VALUE VALUES (1, '11111111-2222-4333-8444-555555555555', 'team', 'event_log', '{}', 0, 1700000000000010, NULL, 1700000000000010, NULL, NULL);
INSERT INTO public.package OVERRIDING SYSTEM VALUE VALUES (1, 'deb', 'openssl', '1.0-1', 'amd64', 'openssl', '1.0-1', 'debian:12', '');
INSERT INTO public.package OVERRIDING SYSTEM VALUE VALUES (2, 'deb', 'zlib', '1.0-1', 'amd64', 'zlib', '1.0-1', 'debian:12', '');
INSERT INTO public.package_carriers VALUES (1, 'team', 0, 2);
INSERT INTO public.package_carriers VALUES (2, 'team', 0, 2);
INSERT INTO public.policy VALUES ('team', 'other', false, '{"id":"other"}', 'sha256:c29b815220cc3a4eed7c5c7268098c034ac0955bf9ef0281233b78ca768e3486', 'local', 1700000000000000, 1700000000000000);
INSERT INTO public.policy VALUES ('team', 'shop', true, '{"id":"shop"}', 'sha256:9fc8e00f9662da3cbd4b7e7572b13323fd6cbdb7563efb54e19ef17a0ee47518', 'local', 1700000000000000, 1700000000000001);
INSERT INTO public.policy_exception VALUES ('team', 'accepted', '{"id":"accepted"}', 'alice', 1700000000000010, 1700000000000010);
INSERT INTO public.registry VALUES ('team', 'registry.example.com', 'ours', 'docker_v2', 'puller', '\x42b7cd298e335f9f28e93a7fc89921d7277e3d3d3fa590cec225438433fd94a23912c7abe90aa8e78bb8ef15b3484403853958', true, 1700000000000000, 1700000000000000);
INSERT INTO public.schema_version VALUES (1);
INSERT INTO public.schema_version VALUES (2);
INSERT INTO public.schema_version VALUES (3);
INSERT INTO public.schema_version VALUES (4);
INSERT INTO public.schema_version VALUES (5);
INSERT INTO public.schema_version VALUES (6);
INSERT INTO public.schema_version VALUES (7);
INSERT INTO public.schema_version VALUES (8);
INSERT INTO public.schema_version VALUES (9);
INSERT INTO public.schema_version VALUES (10);
INSERT INTO public.schema_version VALUES (11);
INSERT INTO public.schema_version VALUES (12);
INSERT INTO public.schema_version VALUES (13);
INSERT INTO public.schema_version VALUES (14);
INSERT INTO public.schema_version VALUES (15);
INSERT INTO public.schema_version VALUES (16);
INSERT INTO public.schema_version VALUES (17);
INSERT INTO public.schema_version VALUES (18);
INSERT INTO public.schema_version VALUES (19);
INSERT INTO public.setting VALUES ('a.setting', 'its value');
INSERT INTO public.subscription VALUES ('team', '7127b3474ebd791b8cb02a478bc03fa5', 'registry.example.com/shop/web:1', 'policy_eval', NULL, false, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', 'e9007c67275423b6a8182beabbf27e40', 'registry.example.com/shop/web:1', 'vuln_update', NULL, false, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '77e6a7032c299b2fa21c695321496c4e', 'registry.example.com/shop/web:1', 'tag_update', NULL, true, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', 'e82c98b4eaab6af5883e07d34db60755', 'registry.example.com/shop/web:1', 'analysis_update', NULL, true, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '71af507f782b7962250ee173dda200c8', 'registry.example.com/shop/web:2', 'policy_eval', NULL, false, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '5beea5b18a994557c93071074e64966d', 'registry.example.com/shop/web:2', 'vuln_update', NULL, false, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', 'ecf3baa054ac7c4c54027bc52694925a', 'registry.example.com/shop/web:2', 'tag_update', NULL, true, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '8a3fad1fcbb01dfbef1f58eb81958294', 'registry.example.com/shop/web:2', 'analysis_update', NULL, true, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '3cfe0fa78845906b424c9a86eba987de', 'registry.example.com/shop/web:3', 'policy_eval', NULL, false, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '6bffdf9a76ea98a3e0ddac9053c95665', 'registry.example.com/shop/web:3', 'vuln_update', NULL, false, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', 'e093bd2f7efec3fd6b0a9cf32c4ed925', 'registry.example.com/shop/web:3', 'tag_update', NULL, true, 1700000000000000, 1700000000000000);
INSERT INTO public.subscription VALUES ('team', '788998de5d1b0ce95cce3f1ff393a218', 'registry.example.com/shop/web:3', 'analysis_update', NULL, true, 1700000000000000, 1700000000000000);
INSERT INTO public.task OVERRIDING SYSTEM VALUE VALUES (1, 'analyze_image', 'team', 'sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4', '{"digest":"sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4"}', 0, 'done', 'analyze_image sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4', false, 1, 3, 0, 'e6d86fe1-0b2c-45e6-b582-d41b09385a27', NULL, NULL, 1700000000000000, 1700000000000005, 1700000000000000, 0, NULL);
INSERT INTO public.task OVERRIDING SYSTEM VALUE VALUES (2, 'analyze_image', 'team', 'sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826', '{"digest":"sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826"}', 0, 'failed', 'analyze_image sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826', false, 1, 3, 0, NULL, NULL, 'no such layer', 1700000000000000, 1700000000000006, 1700000000000000, 0, NULL);
INSERT INTO public.task OVERRIDING SYSTEM VALUE VALUES (3, 'analyze_image', 'team', 'sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71', '{"digest":"sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71"}', 0, 'queued', 'analyze_image sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71', false, 0, 3, 0, NULL, NULL, NULL, 1700000000000000, 1700000000000000, 0, 0, NULL);
INSERT INTO public.user_role VALUES ('alice', 'developer', 'admin', 1700000000000010);
INSERT INTO public.watch VALUES ('team', '77e6a7032c299b2fa21c695321496c4e', 1700003600000010, 'seen', 0);
INSERT INTO public.watch_result VALUES ('team', '77e6a7032c299b2fa21c695321496c4e', '', 'a digest', 'sha256:a7fd865f4e05688e7831ed63731987f817f3a72e18c68fbbf022be440429559b', 1700000000000010);
SELECT pg_catalog.setval('public.alert_id_seq', 1, false);
SELECT pg_catalog.setval('public.archive_history_id_seq', 1, true);
SELECT pg_catalog.setval('public.archived_image_id_seq', 1, true);
SELECT pg_catalog.setval('public.audit_id_seq', 1, true);
SELECT pg_catalog.setval('public.evaluation_id_seq', 1, true);
SELECT pg_catalog.setval('public.event_id_seq', 1, true);
SELECT pg_catalog.setval('public.image_id_seq', 3, true);
SELECT pg_catalog.setval('public.image_tag_id_seq', 3, true);
SELECT pg_catalog.setval('public.known_package_id_seq', 1, true);
SELECT pg_catalog.setval('public.notification_id_seq', 1, true);
SELECT pg_catalog.setval('public.package_id_seq', 50, true);
SELECT pg_catalog.setval('public.task_id_seq', 3, true);
ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.account_user
    ADD CONSTRAINT account_user_pkey PRIMARY KEY (username);
ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.archive_history
    ADD CONSTRAINT archive_history_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.archive_rule
    ADD CONSTRAINT archive_rule_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.archived_image
    ADD CONSTRAINT archived_image_account_digest_key UNIQUE (account, digest);
ALTER TABLE ONLY public.archived_image
    ADD CONSTRAINT archived_image_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.archived_tag
    ADD CONSTRAINT archived_tag_pkey PRIMARY KEY (archived_id, registry, repository, tag);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.blob
    ADD CONSTRAINT blob_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY public.image_package
    ADD CONSTRAINT carried_package_pkey PRIMARY KEY (image_id, package_id);
ALTER TABLE ONLY public.evaluation
    ADD CONSTRAINT evaluation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.feed_group
    ADD CONSTRAINT feed_group_pkey PRIMARY KEY (feed, name);
ALTER TABLE ONLY public.first_detected
    ADD CONSTRAINT first_detected_pkey PRIMARY KEY (image_id, vulnerability, package);
ALTER TABLE ONLY public.image
    ADD CONSTRAINT image_account_digest_key UNIQUE (account, digest);
ALTER TABLE ONLY public.image
    ADD CONSTRAINT image_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.image_tag
    ADD CONSTRAINT image_tag_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.import_content
    ADD CONSTRAINT import_content_pkey PRIMARY KEY (operation, type, digest);
ALTER TABLE ONLY public.import_operation
    ADD CONSTRAINT import_operation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.index_image
    ADD CONSTRAINT index_image_pkey PRIMARY KEY (account, index_digest, image_id);
ALTER TABLE ONLY public.knowledge
    ADD CONSTRAINT knowledge_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY public.known_file
    ADD CONSTRAINT known_file_pkey PRIMARY KEY (sha256, package_id);
ALTER TABLE ONLY public.known_package
    ADD CONSTRAINT known_package_account_digest_key UNIQUE (account, digest);
ALTER TABLE ONLY public.known_package
    ADD CONSTRAINT known_package_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.layer_fact
    ADD CONSTRAINT layer_fact_pkey PRIMARY KEY (diff_id, revision);
ALTER TABLE ONLY public.match_cache
    ADD CONSTRAINT match_cache_pkey PRIMARY KEY (image_id, index_digest);
ALTER TABLE ONLY public.notification
    ADD CONSTRAINT notification_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.notification
    ADD CONSTRAINT notification_uuid_key UNIQUE (uuid);
ALTER TABLE ONLY public.package_carriers
    ADD CONSTRAINT package_carriers_pkey PRIMARY KEY (package_id, account, block);
ALTER TABLE ONLY public.package_document
    ADD CONSTRAINT package_document_pkey PRIMARY KEY (package_id, digest);
ALTER TABLE ONLY public.package_name
    ADD CONSTRAINT package_name_pkey PRIMARY KEY (ecosystem, name, package_id);
ALTER TABLE ONLY public.package
    ADD CONSTRAINT package_name_version_kind_architecture_source_name_source_v_key UNIQUE (name, version, kind, architecture, source_name, source_version, release, origin);
ALTER TABLE ONLY public.package
    ADD CONSTRAINT package_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.policy_exception
    ADD CONSTRAINT policy_exception_pkey PRIMARY KEY (account, id);
ALTER TABLE ONLY public.policy
    ADD CONSTRAINT policy_pkey PRIMARY KEY (account, id);
ALTER TABLE ONLY public.process
    ADD CONSTRAINT process_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.registry
    ADD CONSTRAINT registry_pkey PRIMARY KEY (account, registry);
ALTER TABLE ONLY public.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.setting
    ADD CONSTRAINT setting_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_account_type_key_key UNIQUE (account, type, key);
ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_pkey PRIMARY KEY (account, id);
ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.user_role
    ADD CONSTRAINT user_role_pkey PRIMARY KEY (username, role);
ALTER TABLE ONLY public.watch
    ADD CONSTRAINT watch_pkey PRIMARY KEY (account, subscription);
ALTER TABLE ONLY public.watch_result
    ADD CONSTRAINT watch_result_pkey PRIMARY KEY (account, subscription, subject);
CREATE INDEX account_user_account ON public.account_user USING btree (account);
CREATE INDEX alert_closed ON public.alert USING btree (closed_at) WHERE (closed_at IS NOT NULL);
CREATE INDEX alert_of_account ON public.alert USING btree (account, id DESC);
CREATE INDEX alert_of_tag ON public.alert USING btree (account, tag, id DESC);
CREATE UNIQUE INDEX alert_open ON public.alert USING btree (account, tag) WHERE (closed_at IS NULL);
CREATE INDEX alert_open_of_account ON public.alert USING btree (account, id DESC) WHERE (closed_at IS NULL);
CREATE INDEX api_key_account ON public.api_key USING btree (account);
CREATE INDEX api_key_user ON public.api_key USING btree (username, id);
CREATE INDEX archive_history_age ON public.archive_history USING btree (created_at);
CREATE INDEX archive_history_rule ON public.archive_history USING btree (rule, account, id);
CREATE INDEX archive_rule_account ON public.archive_rule USING btree (account);
CREATE INDEX archive_rule_global ON public.archive_rule USING btree (created_at) WHERE system_global;
CREATE UNIQUE INDEX archive_rule_max_images ON public.archive_rule USING btree (system_global) WHERE (max_images_per_account IS NOT NULL);
CREATE INDEX archived_image_document ON public.archived_image USING btree (document);
CREATE INDEX archived_image_status ON public.archived_image USING btree (status);
CREATE INDEX audit_account ON public.audit USING btree (account, id);
CREATE INDEX audit_age ON public.audit USING btree (created_at);
CREATE INDEX evaluation_age ON public.evaluation USING btree (updated_at) WHERE superseded;
CREATE INDEX evaluation_image ON public.evaluation USING btree (account, digest, tag, updated_at DESC);
CREATE INDEX evaluation_result ON public.evaluation USING btree (result);
CREATE INDEX event_age ON public.event USING btree (created_at);
CREATE INDEX event_order ON public.event USING btree (account, created_at DESC, id DESC);
CREATE UNIQUE INDEX event_uuid ON public.event USING btree (uuid);
CREATE INDEX image_analysis ON public.image USING btree (analysis);
CREATE INDEX image_config ON public.image USING btree (account, config_digest);
CREATE INDEX image_config_of_any ON public.image USING btree (config_digest);
CREATE INDEX image_created ON public.image USING btree (account, created_at DESC);
CREATE INDEX image_deleting ON public.image USING btree (account) WHERE (image_status = 'deleting'::text);
CREATE INDEX image_given ON public.image USING btree (account, given_id) WHERE (given_id IS NOT NULL);
CREATE INDEX image_index ON public.image USING btree (account, index_digest);
CREATE INDEX image_manifest ON public.image USING btree (manifest);
CREATE INDEX image_tag_digest ON public.image_tag USING btree (account, digest);
CREATE INDEX image_tag_name ON public.image_tag USING btree (account, registry, repository, tag, detected_at DESC);
CREATE INDEX import_content_blob ON public.import_content USING btree (digest);
CREATE INDEX import_operation_account ON public.import_operation USING btree (account, created_at);
CREATE INDEX import_operation_status ON public.import_operation USING btree (status, expires_at);
CREATE INDEX import_operation_task ON public.import_operation USING btree (task);
CREATE INDEX index_image_image ON public.index_image USING btree (image_id);
CREATE INDEX known_file_package ON public.known_file USING btree (package_id);
CREATE INDEX known_package_age ON public.known_package USING btree (seen_at);
CREATE INDEX layer_fact_age ON public.layer_fact USING btree (used_at);
CREATE INDEX layer_fact_blob ON public.layer_fact USING btree (blob);
CREATE INDEX match_cache_blob ON public.match_cache USING btree (blob);
CREATE INDEX notification_due ON public.notification USING btree (due_at, id) WHERE (folds_at IS NULL);
CREATE INDEX notification_folds ON public.notification USING btree (account, type, id) WHERE (folds_at IS NOT NULL);
CREATE INDEX notification_of_account ON public.notification USING btree (account, id);
CREATE INDEX package_name_package ON public.package_name USING btree (package_id);
CREATE UNIQUE INDEX policy_active ON public.policy USING btree (account) WHERE active;
CREATE INDEX subscription_key ON public.subscription USING btree (account, key);
CREATE INDEX subscription_watched ON public.subscription USING btree (type, account, id) WHERE active;
CREATE UNIQUE INDEX task_dedupe ON public.task USING btree (account, dedupe) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX task_ended ON public.task USING btree (updated_at) WHERE (state = ANY (ARRAY['done'::text, 'failed'::text]));
CREATE INDEX task_image ON public.task USING btree (account, image, id);
CREATE INDEX task_leases ON public.task USING btree (lease_until, account) WHERE (state = 'running'::text);
CREATE INDEX task_queue ON public.task USING btree (kind, account, priority DESC, id) WHERE (state = 'queued'::text);
CREATE INDEX task_started ON public.task USING btree (account, started_at);
CREATE INDEX watch_result_result ON public.watch_result USING btree (result);
ALTER TABLE ONLY public.account_user
    ADD CONSTRAINT account_user_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_username_fkey FOREIGN KEY (username) REFERENCES public.account_user(username) ON DELETE CASCADE;
ALTER TABLE ONLY public.archive_history
    ADD CONSTRAINT archive_history_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.archive_history
    ADD CONSTRAINT archive_history_rule_fkey FOREIGN KEY (rule) REFERENCES public.archive_rule(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.archive_rule
    ADD CONSTRAINT archive_rule_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.archived_image
    ADD CONSTRAINT archived_image_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.archived_tag
    ADD CONSTRAINT archived_tag_archived_id_fkey FOREIGN KEY (archived_id) REFERENCES public.archived_image(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.image_package
    ADD CONSTRAINT carried_package_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.image(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.evaluation
    ADD CONSTRAINT evaluation_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES public.image(account, digest) ON DELETE CASCADE;
ALTER TABLE ONLY public.first_detected
    ADD CONSTRAINT first_detected_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.image(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.image
    ADD CONSTRAINT image_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.image_tag
    ADD CONSTRAINT image_tag_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES public.image(account, digest) ON DELETE CASCADE;
ALTER TABLE ONLY public.import_content
    ADD CONSTRAINT import_content_operation_fkey FOREIGN KEY (operation) REFERENCES public.import_operation(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.import_operation
    ADD CONSTRAINT import_operation_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.index_image
    ADD CONSTRAINT index_image_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.image(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.known_file
    ADD CONSTRAINT known_file_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.known_package(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.known_package
    ADD CONSTRAINT known_package_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.match_cache
    ADD CONSTRAINT match_cache_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.image(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.notification
    ADD CONSTRAINT notification_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.package_carriers
    ADD CONSTRAINT package_carriers_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.package(id);
ALTER TABLE ONLY public.package_document
    ADD CONSTRAINT package_document_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.package(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.package_name
    ADD CONSTRAINT package_name_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.package(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.policy
    ADD CONSTRAINT policy_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.policy_exception
    ADD CONSTRAINT policy_exception_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.registry
    ADD CONSTRAINT registry_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_account_fkey FOREIGN KEY (account) REFERENCES public.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.user_role
    ADD CONSTRAINT user_role_username_fkey FOREIGN KEY (username) REFERENCES public.account_user(username) ON DELETE CASCADE;
ALTER TABLE ONLY public.watch
    ADD CONSTRAINT watch_account_subscription_fkey FOREIGN KEY (account, subscription) REFERENCES public.subscription(account, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.watch_result
    ADD CONSTRAINT watch_result_account_subscription_fkey FOREIGN KEY (account, subscription) REFERENCES public.subscription(account, id) ON DELETE CASCADE;
