create table package_name (
    ecosystem text not null,
    name text not null,
    package_id bigint not null references package (id) on delete cascade,
    primary key (ecosystem, name, package_id)
);
create index package_name_package on package_name (package_id);
