create table user_role (
    username text not null references account_user (username) on delete cascade,
    role text not null,
    granted_by text not null,
    created_at bigint not null,
    primary key (username, role)
);

create table api_key (
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
create index api_key_user on api_key (username, id);
create index api_key_account on api_key (account);

-- Outlives what it is about: it refers to nothing.
create table audit (
    id {identity},
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
create index audit_account on audit (account, id);
create index audit_age on audit (created_at);
