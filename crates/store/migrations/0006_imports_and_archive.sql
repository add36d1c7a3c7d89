alter table image add column given_id text;
create index image_given on image (account, given_id) where given_id is not null;

create table import_operation (
    id text primary key,
    account text not null references account (name) on delete cascade,
    status text not null,
    task bigint,
    expires_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index import_operation_account on import_operation (account, created_at);
create index import_operation_status on import_operation (status, expires_at);
create index import_operation_task on import_operation (task);

create table import_content (
    operation text not null references import_operation (id) on delete cascade,
    type text not null,
    digest text not null,
    size_bytes bigint not null,
    created_at bigint not null,
    primary key (operation, type, digest)
);
create index import_content_blob on import_content (digest);

create table archived_image (
    id {identity},
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
create index archived_image_document on archived_image (document);
create index archived_image_status on archived_image (status);

create table archived_tag (
    archived_id bigint not null references archived_image (id) on delete cascade,
    registry text not null,
    repository text not null,
    tag text not null,
    detected_at bigint not null,
    primary key (archived_id, registry, repository, tag)
);

create table archive_rule (
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
create index archive_rule_account on archive_rule (account);
create index archive_rule_global on archive_rule (created_at) where system_global;
create unique index archive_rule_max_images on archive_rule (system_global) where max_images_per_account is not null;

create table archive_history (
    id {identity},
    rule text not null references archive_rule (id) on delete cascade,
    account text not null references account (name) on delete cascade,
    digest text not null,
    transition text not null,
    created_at bigint not null
);
create index archive_history_rule on archive_history (rule, account, id);
create index archive_history_age on archive_history (created_at);
