-- What a watched tag is warned of: at most one of them is open.
create table alert (
    id {identity},
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
create unique index alert_open on alert (account, tag) where closed_at is null;
create index alert_of_tag on alert (account, tag, id desc);
create index alert_of_account on alert (account, id desc);
create index alert_closed on alert (closed_at) where closed_at is not null;
create index alert_open_of_account on alert (account, id desc) where closed_at is null;

-- The few that are going away, among all.
create index image_deleting on image (account) where image_status = 'deleting';

-- Whoever works on this database.
create table process (
    id text primary key,
    host text not null,
    base_url text not null,
    roles text not null,
    seen_at bigint not null
);
