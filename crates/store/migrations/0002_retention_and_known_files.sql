alter table layer_fact add column used_at bigint not null default 0;
update layer_fact set used_at = created_at;
create index layer_fact_age on layer_fact (used_at);
create index image_config_of_any on image (config_digest);

alter table evaluation add column superseded boolean not null default false;
update evaluation set superseded = true where exists (
    select 1 from evaluation n
    where n.account = evaluation.account and n.digest = evaluation.digest and n.tag = evaluation.tag
        and n.policy_id = evaluation.policy_id
        and (n.updated_at > evaluation.updated_at or (n.updated_at = evaluation.updated_at and n.id > evaluation.id))
);
drop index evaluation_age;
create index evaluation_age on evaluation (updated_at) where superseded;

create table known_package (
    id {identity},
    account text not null references account (name) on delete cascade,
    digest text not null,
    document text not null,
    files bigint not null,
    seen_at bigint not null,
    unique (account, digest)
);
create index known_package_age on known_package (seen_at);

create table known_file (
    sha256 text not null,
    package_id bigint not null references known_package (id) on delete cascade,
    primary key (sha256, package_id)
);
create index known_file_package on known_file (package_id);
