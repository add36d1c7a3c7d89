alter table event add column uuid text not null default '';
alter table event add column service text not null default '';
alter table event add column host text not null default '';
alter table event add column resource_type text;
alter table event add column resource text;
-- What earlier releases wrote is known by its number.
update event set uuid = cast(id as text);
create unique index event_uuid on event (uuid);
drop index event_order;
create index event_order on event (account, created_at desc, id desc);

create index subscription_watched on subscription (type, account, id) where active;

create table watch (
    account text not null,
    subscription text not null,
    due_at bigint not null,
    state text not null,
    failures bigint not null,
    primary key (account, subscription),
    foreign key (account, subscription) references subscription (account, id) on delete cascade
);

create table watch_result (
    account text not null,
    subscription text not null,
    subject text not null,
    basis text not null,
    result text,
    seen_at bigint not null,
    primary key (account, subscription, subject),
    foreign key (account, subscription) references subscription (account, id) on delete cascade
);
create index watch_result_result on watch_result (result);

create table notification (
    id {identity},
    uuid text not null unique,
    account text not null references account (name) on delete cascade,
    type text not null,
    payload text not null,
    attempts bigint not null,
    due_at bigint not null,
    last_error text,
    created_at bigint not null
);
create index notification_due on notification (due_at, id);
