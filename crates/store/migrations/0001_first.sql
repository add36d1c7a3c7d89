create table account (
    name text primary key,
    type text not null,
    state text not null,
    email text,
    created_at bigint not null,
    updated_at bigint not null
);

create table account_user (
    username text primary key,
    account text not null references account (name) on delete cascade,
    type text not null,
    source text,
    password_hash text,
    password_set_at bigint,
    created_at bigint not null,
    updated_at bigint not null
);
create index account_user_account on account_user (account);

create table image (
    id {identity},
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
    analyzed_at bigint,
    unique (account, digest)
);
create index image_created on image (account, created_at desc);
create index image_config on image (account, config_digest);
create index image_analysis on image (analysis);
create index image_manifest on image (manifest);
create index image_index on image (account, index_digest);

create table image_tag (
    id {identity},
    account text not null,
    digest text not null,
    registry text not null,
    repository text not null,
    tag text not null,
    detected_at bigint not null,
    foreign key (account, digest) references image (account, digest) on delete cascade
);
create index image_tag_name on image_tag (account, registry, repository, tag, detected_at desc);
create index image_tag_digest on image_tag (account, digest);

create table layer_fact (
    diff_id text not null,
    revision text not null,
    blob text not null,
    created_at bigint not null,
    primary key (diff_id, revision)
);
create index layer_fact_blob on layer_fact (blob);

create table package (
    id {identity},
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
create index package_source on package (source_name, kind, release);

create table image_package (
    image_id bigint not null references image (id) on delete cascade,
    package_id bigint not null references package (id),
    primary key (image_id, package_id)
);
create index image_package_package on image_package (package_id, image_id);

create table knowledge (
    digest text primary key,
    path text not null,
    data_at bigint not null,
    installed_at bigint not null
);

create table feed_group (
    feed text not null,
    name text not null,
    enabled boolean not null,
    record_count bigint not null,
    synced_at bigint,
    primary key (feed, name)
);

create table match_cache (
    image_id bigint not null references image (id) on delete cascade,
    index_digest text not null,
    blob text not null,
    created_at bigint not null,
    primary key (image_id, index_digest)
);
create index match_cache_blob on match_cache (blob);

create table first_detected (
    image_id bigint not null references image (id) on delete cascade,
    vulnerability text not null,
    package text not null,
    detected_at bigint not null,
    primary key (image_id, vulnerability, package)
);

create table policy (
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
create unique index policy_active on policy (account) where active;

create table evaluation (
    id {identity},
    account text not null,
    digest text not null,
    tag text not null,
    policy_id text not null,
    policy_digest text not null,
    action text not null,
    result text not null,
    created_at bigint not null,
    updated_at bigint not null,
    foreign key (account, digest) references image (account, digest) on delete cascade
);
create index evaluation_image on evaluation (account, digest, tag, updated_at desc);
create index evaluation_result on evaluation (result);
create index evaluation_age on evaluation (updated_at);

create table registry (
    account text not null references account (name) on delete cascade,
    registry text not null,
    name text not null,
    type text not null,
    username text not null,
    secret {blob} not null,
    verify boolean not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (account, registry)
);

create table subscription (
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

create table event (
    id {identity},
    account text not null,
    type text not null,
    level text not null,
    document text not null,
    created_at bigint not null
);
create index event_order on event (account, id desc);
create index event_age on event (created_at);

create table setting (
    key text primary key,
    value text not null
);

create table task (
    id {identity},
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
);
create unique index task_dedupe on task (account, dedupe) where state in ('queued', 'running');
create index task_queue on task (kind, account, priority desc, id) where state = 'queued';
create index task_leases on task (lease_until, account) where state = 'running';
create index task_ended on task (updated_at) where state in ('done', 'failed');
