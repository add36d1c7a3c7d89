PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_version (version bigint primary key);
INSERT INTO schema_version VALUES(1);
INSERT INTO schema_version VALUES(2);
INSERT INTO schema_version VALUES(3);
INSERT INTO schema_version VALUES(4);
INSERT INTO schema_version VALUES(5);
INSERT INTO schema_version VALUES(6);
INSERT INTO schema_version VALUES(7);
INSERT INTO schema_version VALUES(8);
INSERT INTO schema_version VALUES(9);
INSERT INTO schema_version VALUES(10);
INSERT INTO schema_version VALUES(11);
INSERT INTO schema_version VALUES(12);
INSERT INTO schema_version VALUES(13);
INSERT INTO schema_version VALUES(14);
INSERT INTO schema_version VALUES(15);
INSERT INTO schema_version VALUES(16);
INSERT INTO schema_version VALUES(17);
INSERT INTO schema_version VALUES(18);
INSERT INTO schema_version VALUES(19);
CREATE TABLE account (
    name text primary key,
    type text not null,
    state text not null,
    email text,
    created_at bigint not null,
    updated_at bigint not null
);
INSERT INTO account VALUES('admin','admin','enabled','admin@example.com',1700000000000000,1700000000000000);
INSERT INTO account VALUES('team','user','enabled',NULL,1700000000000001,1700000000000001);
INSERT INTO account VALUES('gone','user','disabled',NULL,1700000000000002,1700000000000003);
CREATE TABLE account_user (
    username text primary key,
    account text not null references account (name) on delete cascade,
    type text not null,
    source text,
    password_hash text,
    password_set_at bigint,
    created_at bigint not null,
    updated_at bigint not null
);
INSERT INTO account_user VALUES('admin','admin','native',NULL,'$argon2id$not-a-hash',1700000000000000,1700000000000000,1700000000000000);
INSERT INTO account_user VALUES('alice','team','native',NULL,NULL,NULL,1700000000000000,1700000000000000);
CREATE TABLE image (
    id integer primary key autoincrement,
    account text not null references account (name) on delete cascade,
    digest text not null,
    index_digest text,
    config_digest text not null,
    analysis_status text not null,
    failure text,
    image_status text not null,
    annotations text not null,
    size_bytes bigint not null,
    architecture text not null,
    distro text not null,
    distro_version text not null,
    layer_count bigint not null,
    dockerfile text,
    dockerfile_mode text not null,
    manifest text,
    analysis text,
    created_at bigint not null,
    updated_at bigint not null,
    analyzed_at bigint, given_id text,
    unique (account, digest)
);
INSERT INTO image VALUES(1,'team','sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4','sha256:5c4f71bd08c23d8cbae91df7be28cf3be1fb03577747490c0fc160f5cf8ce979','sha256:7eae28db6f463c877afaf70f68a8d63f1dadbd255cfdbf98c7865511ecb0a518','analyzed',NULL,'active','{"owner":"shop"}',4000,'amd64','debian','12',2,replace('FROM debian:12\n','\n',char(10)),'Actual','sha256:e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9','sha256:c169bf94e9f5fca111ea0dfeb2f40b59822479eaa489c43ac780ef464ba6993d',1700000000000000,1700000000000005,1700000000000005,NULL);
INSERT INTO image VALUES(2,'team','sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826','sha256:43199dca2666823e79f2c54f15f35215965e50dc29c785553aeb0686f2668a07','sha256:cf1c4acc4c8947ecc32cd9d6da7f461448d052352ae77906c7cb318a2977d812','analysis_failed','no such layer','active','{"owner":"shop"}',1000,'amd64','','',2,replace('FROM debian:12\n','\n',char(10)),'Actual','sha256:e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9',NULL,1700000000000000,1700000000000006,NULL,NULL);
INSERT INTO image VALUES(3,'team','sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71','sha256:84ee3e782567927dc7e30f061c952f510d26b8a9cdf83cfdcacc9640583cd4d2','sha256:2f22f007d75ab8abb957762d5f9a02407a5fe80304405e6e0cf8f8b7c89b4815','not_analyzed',NULL,'active','{"owner":"shop"}',1000,'amd64','','',2,replace('FROM debian:12\n','\n',char(10)),'Actual','sha256:e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9',NULL,1700000000000000,1700000000000000,NULL,NULL);
CREATE TABLE image_tag (
    id integer primary key autoincrement,
    account text not null,
    digest text not null,
    registry text not null,
    repository text not null,
    tag text not null,
    detected_at bigint not null, child boolean not null default false,
    foreign key (account, digest) references image (account, digest) on delete cascade
);
INSERT INTO image_tag VALUES(1,'team','sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4','registry.example.com','shop/web','1',1700000000000000,0);
INSERT INTO image_tag VALUES(2,'team','sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826','registry.example.com','shop/web','2',1700000000000000,0);
INSERT INTO image_tag VALUES(3,'team','sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71','registry.example.com','shop/web','3',1700000000000000,0);
CREATE TABLE layer_fact (
    diff_id text not null,
    revision text not null,
    blob text not null,
    created_at bigint not null, used_at bigint not null default 0,
    primary key (diff_id, revision)
);
INSERT INTO layer_fact VALUES('sha256:e28d98ac666afd34f089b971a663264d54d67a60ddc82996d48d8f3c204eb75f','revision','sha256:0694aacb66d62e742a92e8d5f1e82bd9d2a8ca1be88744201fbe63d0f5007502',1700000000000000,1700000000000000);
CREATE TABLE package (
    id integer primary key autoincrement,
    kind text not null,
    name text not null,
    version text not null,
    architecture text not null,
    source_name text not null,
    source_version text not null,
    release text not null,
    origin text not null,
    unique (name, version, kind, architecture, source_name, source_version, release, origin)
);
INSERT INTO package VALUES(1,'deb','openssl','1.0-1','amd64','openssl','1.0-1','debian:12','');
INSERT INTO package VALUES(2,'deb','zlib','1.0-1','amd64','zlib','1.0-1','debian:12','');
CREATE TABLE knowledge (
    digest text primary key,
    path text not null,
    data_at bigint not null,
    installed_at bigint not null
);
INSERT INTO knowledge VALUES('sha256:13f28396e236ef752a2f8e7911c5ecc6750e3c9b96114475b260cc73cdd06d3a','advisories.db',1700000000000000,1700000000000000);
CREATE TABLE feed_group (
    feed text not null,
    name text not null,
    enabled boolean not null,
    record_count bigint not null,
    synced_at bigint,
    primary key (feed, name)
);
INSERT INTO feed_group VALUES('vulnerabilities','debian:12',1,7,1700000000000000);
CREATE TABLE match_cache (
    image_id bigint not null references image (id) on delete cascade,
    index_digest text not null,
    blob text not null,
    created_at bigint not null,
    primary key (image_id, index_digest)
);
INSERT INTO match_cache VALUES(1,'sha256:13f28396e236ef752a2f8e7911c5ecc6750e3c9b96114475b260cc73cdd06d3a','sha256:a54084383e3cf7c246307c0f656da443a587afe30dd18a1878c2fcad9db93da4',1700000000000007);
CREATE TABLE first_detected (
    image_id bigint not null references image (id) on delete cascade,
    vulnerability text not null,
    package text not null,
    detected_at bigint not null,
    primary key (image_id, vulnerability, package)
);
INSERT INTO first_detected VALUES(1,'CVE-2024-0001','openssl 1.0-1',1700000000000007);
CREATE TABLE policy (
    account text not null references account (name) on delete cascade,
    id text not null,
    active boolean not null,
    document text not null,
    digest text not null,
    source text not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (account, id)
);
INSERT INTO policy VALUES('team','shop',1,'{"id":"shop"}','sha256:9fc8e00f9662da3cbd4b7e7572b13323fd6cbdb7563efb54e19ef17a0ee47518','local',1700000000000000,1700000000000001);
INSERT INTO policy VALUES('team','other',0,'{"id":"other"}','sha256:c29b815220cc3a4eed7c5c7268098c034ac0955bf9ef0281233b78ca768e3486','local',1700000000000000,1700000000000000);
CREATE TABLE evaluation (
    id integer primary key autoincrement,
    account text not null,
    digest text not null,
    tag text not null,
    policy_id text not null,
    policy_digest text not null,
    action text not null,
    result text not null,
    created_at bigint not null,
    updated_at bigint not null, superseded boolean not null default false, index_built_at bigint not null default 0, findings text,
    foreign key (account, digest) references image (account, digest) on delete cascade
);
INSERT INTO evaluation VALUES(1,'team','sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4','registry.example.com/shop/web:1','shop','sha256:9fc8e00f9662da3cbd4b7e7572b13323fd6cbdb7563efb54e19ef17a0ee47518','stop','sha256:131a355f9e2d30642454c2dc34f3545dea467f930daeba1255d69da5a5f7fd80',1700000000000008,1700000000000008,0,0,'sha256:8aa3c4ce3ccdfe89f32935d164b3fb04ea01afa7a71f17c5be4f777cb7968cbc');
CREATE TABLE registry (
    account text not null references account (name) on delete cascade,
    registry text not null,
    name text not null,
    type text not null,
    username text not null,
    secret blob not null,
    verify boolean not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (account, registry)
);
INSERT INTO registry VALUES('team','registry.example.com','ours','docker_v2','puller',X'fb8e5022539a359d250a7b03f92caec65aa65767ad5af86992ffedd71c4d14d71a5685064c89b83afc0030cda49c8c252337f5',1,1700000000000000,1700000000000000);
CREATE TABLE subscription (
    account text not null references account (name) on delete cascade,
    id text not null,
    key text not null,
    type text not null,
    value text,
    active boolean not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (account, id),
    unique (account, type, key)
);
INSERT INTO subscription VALUES('team','7127b3474ebd791b8cb02a478bc03fa5','registry.example.com/shop/web:1','policy_eval',NULL,0,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','e9007c67275423b6a8182beabbf27e40','registry.example.com/shop/web:1','vuln_update',NULL,0,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','77e6a7032c299b2fa21c695321496c4e','registry.example.com/shop/web:1','tag_update',NULL,1,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','e82c98b4eaab6af5883e07d34db60755','registry.example.com/shop/web:1','analysis_update',NULL,1,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','71af507f782b7962250ee173dda200c8','registry.example.com/shop/web:2','policy_eval',NULL,0,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','5beea5b18a994557c93071074e64966d','registry.example.com/shop/web:2','vuln_update',NULL,0,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','ecf3baa054ac7c4c54027bc52694925a','registry.example.com/shop/web:2','tag_update',NULL,1,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','8a3fad1fcbb01dfbef1f58eb81958294','registry.example.com/shop/web:2','analysis_update',NULL,1,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','3cfe0fa78845906b424c9a86eba987de','registry.example.com/shop/web:3','policy_eval',NULL,0,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','6bffdf9a76ea98a3e0ddac9053c95665','registry.example.com/shop/web:3','vuln_update',NULL,0,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','e093bd2f7efec3fd6b0a9cf32c4ed925','registry.example.com/shop/web:3','tag_update',NULL,1,1700000000000000,1700000000000000);
INSERT INTO subscription VALUES('team','788998de5d1b0ce95cce3f1ff393a218','registry.example.com/shop/web:3','analysis_update',NULL,1,1700000000000000,1700000000000000);
CREATE TABLE event (
    id integer primary key autoincrement,
    account text not null,
    type text not null,
    level text not null,
    document text not null,
    created_at bigint not null
, uuid text not null default '', service text not null default '', host text not null default '', resource_type text, resource text, acknowledged_at bigint, acknowledged_by text);
INSERT INTO event VALUES(1,'team','user.image.analysis.completed','info','{}',1700000000000009,'0123456789abcdef0123456789abcdef','analyzer','killick','image_tag','registry.example.com/shop/web:1',NULL,NULL);
CREATE TABLE setting (
    key text primary key,
    value text not null
);
INSERT INTO setting VALUES('a.setting','its value');
CREATE TABLE task (
    id integer primary key autoincrement,
    kind text not null,
    account text not null,
    image text,
    payload text not null,
    priority bigint not null,
    state text not null,
    dedupe text,
    again boolean not null,
    attempts bigint not null,
    max_attempts bigint not null,
    run_after bigint not null,
    lease text,
    lease_until bigint,
    last_error text,
    created_at bigint not null,
    updated_at bigint not null
, started_at bigint not null default 0, vanished bigint not null default 0, progress text);
INSERT INTO task VALUES(1,'analyze_image','team','sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4','{"digest":"sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4"}',0,'done','analyze_image sha256:8db72550fce2d86a6a72249e67c3183c3050fb1f247991d81c593a5047ee74e4',0,1,3,0,'8cfcf9ff-afa4-492b-b3fb-b5554a00e3c4',NULL,NULL,1700000000000000,1700000000000005,1700000000000000,0,NULL);
INSERT INTO task VALUES(2,'analyze_image','team','sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826','{"digest":"sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826"}',0,'failed','analyze_image sha256:5d28a90f4498a81461efbaf6f628a19d9778390bb5c81a393dd936181cc3d826',0,1,3,0,NULL,NULL,'no such layer',1700000000000000,1700000000000006,1700000000000000,0,NULL);
INSERT INTO task VALUES(3,'analyze_image','team','sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71','{"digest":"sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71"}',0,'queued','analyze_image sha256:80cfa3e7f28dde4df64436b652230aff28d7779116d1369c21ef2bbf37261d71',0,0,3,0,NULL,NULL,NULL,1700000000000000,1700000000000000,0,0,NULL);
CREATE TABLE known_package (
    id integer primary key autoincrement,
    account text not null references account (name) on delete cascade,
    digest text not null,
    document text not null,
    files bigint not null,
    seen_at bigint not null,
    unique (account, digest)
);
INSERT INTO known_package VALUES(1,'team','sha256:8d95de48b88385928479587d78c22a00754b584c1e1e7108ee2fb1e81ff52c4a','{"name":"openssl"}',1,1700000000000010);
CREATE TABLE known_file (
    sha256 text not null,
    package_id bigint not null references known_package (id) on delete cascade,
    primary key (sha256, package_id)
);
INSERT INTO known_file VALUES('31f109ab38348582abdc9e1c9942f74505c719e98c6d0ab6fbcfdccfd8c9935b',1);
CREATE TABLE package_name (
    ecosystem text not null,
    name text not null,
    package_id bigint not null references package (id) on delete cascade,
    primary key (ecosystem, name, package_id)
);
CREATE TABLE policy_exception (
    account text not null references account (name) on delete cascade,
    id text not null,
    document text not null,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (account, id)
);
INSERT INTO policy_exception VALUES('team','accepted','{"id":"accepted"}','alice',1700000000000010,1700000000000010);
CREATE TABLE watch (
    account text not null,
    subscription text not null,
    due_at bigint not null,
    state text not null,
    failures bigint not null,
    primary key (account, subscription),
    foreign key (account, subscription) references subscription (account, id) on delete cascade
);
INSERT INTO watch VALUES('team','77e6a7032c299b2fa21c695321496c4e',1700003600000010,'seen',0);
CREATE TABLE watch_result (
    account text not null,
    subscription text not null,
    subject text not null,
    basis text not null,
    result text,
    seen_at bigint not null,
    primary key (account, subscription, subject),
    foreign key (account, subscription) references subscription (account, id) on delete cascade
);
INSERT INTO watch_result VALUES('team','77e6a7032c299b2fa21c695321496c4e','','a digest','sha256:a7fd865f4e05688e7831ed63731987f817f3a72e18c68fbbf022be440429559b',1700000000000010);
CREATE TABLE notification (
    id integer primary key autoincrement,
    uuid text not null unique,
    account text not null references account (name) on delete cascade,
    type text not null,
    payload text not null,
    attempts bigint not null,
    due_at bigint not null,
    last_error text,
    created_at bigint not null
, folds_at bigint, key text);
INSERT INTO notification VALUES(1,'11111111-2222-4333-8444-555555555555','team','event_log','{}',0,1700000000000010,NULL,1700000000000010,NULL,NULL);
CREATE TABLE import_operation (
    id text primary key,
    account text not null references account (name) on delete cascade,
    status text not null,
    task bigint,
    expires_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
INSERT INTO import_operation VALUES('an-import','team','pending',NULL,1700086400000010,1700000000000010,1700000000000010);
CREATE TABLE import_content (
    operation text not null references import_operation (id) on delete cascade,
    type text not null,
    digest text not null,
    size_bytes bigint not null,
    created_at bigint not null,
    primary key (operation, type, digest)
);
INSERT INTO import_content VALUES('an-import','manifest','sha256:3cef1b245d4b2f37dadddcbadb76017d440ba283601228724c0cb2c07d35bed4',8,1700000000000010);
CREATE TABLE archived_image (
    id integer primary key autoincrement,
    account text not null references account (name) on delete cascade,
    digest text not null,
    index_digest text,
    status text not null,
    annotations text not null,
    document text not null,
    size_bytes bigint not null,
    analyzed_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    unique (account, digest)
);
INSERT INTO archived_image VALUES(1,'team','sha256:dd9e881230ebf6e02363abdbb3566ee5aa13d0bae08caaf4334015d16a5a920d',NULL,'archived','{}','sha256:76b5e95a3917038ccc2b9257c3fba0d50fa8ef7fe7df10b0f815e0ff573666eb',500,1700000000000010,1700000000000010,1700000000000010);
CREATE TABLE archived_tag (
    archived_id bigint not null references archived_image (id) on delete cascade,
    registry text not null,
    repository text not null,
    tag text not null,
    detected_at bigint not null,
    primary key (archived_id, registry, repository, tag)
);
INSERT INTO archived_tag VALUES(1,'registry.example.com','shop/old','0',1700000000000010);
CREATE TABLE archive_rule (
    id text primary key,
    account text not null references account (name) on delete cascade,
    system_global boolean not null,
    transition text not null,
    registry text not null,
    repository text not null,
    tag text not null,
    analysis_age_days bigint not null,
    tag_versions_newer bigint not null,
    max_images_per_account bigint,
    exclude_registry text not null,
    exclude_repository text not null,
    exclude_tag text not null,
    exclude_expiration_days bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
INSERT INTO archive_rule VALUES('a-rule','team',0,'archive','*','*','*',30,2,NULL,'','','',-1,1700000000000010,1700000000000010);
CREATE TABLE archive_history (
    id integer primary key autoincrement,
    rule text not null references archive_rule (id) on delete cascade,
    account text not null references account (name) on delete cascade,
    digest text not null,
    transition text not null,
    created_at bigint not null
);
INSERT INTO archive_history VALUES(1,'a-rule','team','sha256:dd9e881230ebf6e02363abdbb3566ee5aa13d0bae08caaf4334015d16a5a920d','archive',1700000000000010);
CREATE TABLE user_role (
    username text not null references account_user (username) on delete cascade,
    role text not null,
    granted_by text not null,
    created_at bigint not null,
    primary key (username, role)
);
INSERT INTO user_role VALUES('alice','developer','admin',1700000000000010);
CREATE TABLE api_key (
    id text primary key,
    account text not null references account (name) on delete cascade,
    username text not null references account_user (username) on delete cascade,
    name text not null,
    role text,
    hash text not null unique,
    created_at bigint not null,
    expires_at bigint,
    used_at bigint
);
INSERT INTO api_key VALUES('a-key','team','alice','ci','reader','8fa3aab2faa9b79e0a0398da5b5abd0780142442a5be80b9a64608d718cb1fcd',1700000000000010,NULL,NULL);
CREATE TABLE audit (
    id integer primary key autoincrement,
    account text not null,
    username text not null,
    user_account text not null,
    via text not null,
    action text not null,
    method text not null,
    path text not null,
    request text not null,
    client text,
    before text,
    after text,
    status bigint,
    created_at bigint not null
);
INSERT INTO audit VALUES(1,'team','alice','team','password','createPolicy','POST','/policies','a-request','192.0.2.7',NULL,'{}',NULL,1700000000000010);
CREATE TABLE blob (
    digest text primary key,
    packed blob not null,
    written_at bigint not null
);
CREATE TABLE package_document (
    package_id bigint not null references package (id) on delete cascade,
    digest text not null,
    document text not null,
    primary key (package_id, digest)
);
CREATE TABLE alert (
    id integer primary key autoincrement,
    account text not null references account (name) on delete cascade,
    tag text not null,
    digest text not null,
    policy_id text not null,
    policy_digest text not null,
    opened_at bigint not null,
    updated_at bigint not null,
    closed_at bigint,
    closed_for text,
    closed_by text
);
CREATE TABLE process (
    id text primary key,
    host text not null,
    base_url text not null,
    roles text not null,
    seen_at bigint not null
, state text not null default 'up');
CREATE TABLE package_carriers (
    package_id bigint not null references package (id),
    account text not null,
    block bigint not null,
    images bigint not null,
    primary key (package_id, account, block)
) without rowid;
INSERT INTO package_carriers VALUES(1,'team',0,2);
INSERT INTO package_carriers VALUES(2,'team',0,2);
CREATE TABLE IF NOT EXISTS "image_package" (
    image_id bigint not null references image (id) on delete cascade,
    package_id bigint not null,
    primary key (image_id, package_id)
) without rowid;
INSERT INTO image_package VALUES(1,1);
INSERT INTO image_package VALUES(1,2);
CREATE TABLE index_image (
    account text not null,
    index_digest text not null,
    image_id bigint not null references image (id) on delete cascade,
    position bigint not null,
    platform text not null,
    primary key (account, index_digest, image_id)
) without rowid;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('task',3);
INSERT INTO sqlite_sequence VALUES('image',3);
INSERT INTO sqlite_sequence VALUES('image_tag',3);
INSERT INTO sqlite_sequence VALUES('package',50);
INSERT INTO sqlite_sequence VALUES('evaluation',1);
INSERT INTO sqlite_sequence VALUES('event',1);
INSERT INTO sqlite_sequence VALUES('known_package',1);
INSERT INTO sqlite_sequence VALUES('notification',1);
INSERT INTO sqlite_sequence VALUES('archived_image',1);
INSERT INTO sqlite_sequence VALUES('archive_history',1);
INSERT INTO sqlite_sequence VALUES('audit',1);
CREATE INDEX account_user_account on account_user (account);
CREATE INDEX image_created on image (account, created_at desc);
CREATE INDEX image_config on image (account, config_digest);
CREATE INDEX image_analysis on image (analysis);
CREATE INDEX image_manifest on image (manifest);
CREATE INDEX image_index on image (account, index_digest);
CREATE INDEX image_tag_name on image_tag (account, registry, repository, tag, detected_at desc);
CREATE INDEX image_tag_digest on image_tag (account, digest);
CREATE INDEX layer_fact_blob on layer_fact (blob);
CREATE INDEX match_cache_blob on match_cache (blob);
CREATE UNIQUE INDEX policy_active on policy (account) where active;
CREATE INDEX evaluation_image on evaluation (account, digest, tag, updated_at desc);
CREATE INDEX evaluation_result on evaluation (result);
CREATE INDEX event_age on event (created_at);
CREATE UNIQUE INDEX task_dedupe on task (account, dedupe) where state in ('queued', 'running');
CREATE INDEX task_queue on task (kind, account, priority desc, id) where state = 'queued';
CREATE INDEX task_leases on task (lease_until, account) where state = 'running';
CREATE INDEX task_ended on task (updated_at) where state in ('done', 'failed');
CREATE INDEX layer_fact_age on layer_fact (used_at);
CREATE INDEX image_config_of_any on image (config_digest);
CREATE INDEX evaluation_age on evaluation (updated_at) where superseded;
CREATE INDEX known_package_age on known_package (seen_at);
CREATE INDEX known_file_package on known_file (package_id);
CREATE INDEX package_name_package on package_name (package_id);
CREATE UNIQUE INDEX event_uuid on event (uuid);
CREATE INDEX event_order on event (account, created_at desc, id desc);
CREATE INDEX subscription_watched on subscription (type, account, id) where active;
CREATE INDEX watch_result_result on watch_result (result);
CREATE INDEX image_given on image (account, given_id) where given_id is not null;
CREATE INDEX import_operation_account on import_operation (account, created_at);
CREATE INDEX import_operation_status on import_operation (status, expires_at);
CREATE INDEX import_operation_task on import_operation (task);
CREATE INDEX import_content_blob on import_content (digest);
CREATE INDEX archived_image_document on archived_image (document);
CREATE INDEX archived_image_status on archived_image (status);
CREATE INDEX archive_rule_account on archive_rule (account);
CREATE INDEX archive_rule_global on archive_rule (created_at) where system_global;
CREATE UNIQUE INDEX archive_rule_max_images on archive_rule (system_global) where max_images_per_account is not null;
CREATE INDEX archive_history_rule on archive_history (rule, account, id);
CREATE INDEX archive_history_age on archive_history (created_at);
CREATE INDEX api_key_user on api_key (username, id);
CREATE INDEX api_key_account on api_key (account);
CREATE INDEX audit_account on audit (account, id);
CREATE INDEX audit_age on audit (created_at);
CREATE INDEX task_started on task (account, started_at);
CREATE INDEX task_image on task (account, image, id);
CREATE INDEX notification_due on notification (due_at, id) where folds_at is null;
CREATE INDEX notification_folds on notification (account, type, id) where folds_at is not null;
CREATE UNIQUE INDEX alert_open on alert (account, tag) where closed_at is null;
CREATE INDEX alert_of_tag on alert (account, tag, id desc);
CREATE INDEX alert_of_account on alert (account, id desc);
CREATE INDEX alert_closed on alert (closed_at) where closed_at is not null;
CREATE INDEX alert_open_of_account on alert (account, id desc) where closed_at is null;
CREATE INDEX image_deleting on image (account) where image_status = 'deleting';
CREATE INDEX subscription_key on subscription (account, key);
CREATE INDEX notification_of_account on notification (account, id);
CREATE INDEX index_image_image on index_image (image_id);
COMMIT;
