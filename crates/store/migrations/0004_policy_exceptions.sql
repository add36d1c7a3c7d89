create table policy_exception (
    account text not null references account (name) on delete cascade,
    id text not null,
    document text not null,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (account, id)
);
