-- Documents, where they are not kept in a folder or a bucket.
create table blob (
    digest text primary key,
    packed {blob} not null,
    written_at bigint not null
);
