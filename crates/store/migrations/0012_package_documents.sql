create table package_document (
    package_id bigint not null references package (id) on delete cascade,
    digest text not null,
    document text not null,
    primary key (package_id, digest)
);
