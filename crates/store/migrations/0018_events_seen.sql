-- Who has seen an event, and when.
alter table event add column acknowledged_at bigint;
alter table event add column acknowledged_by text;

-- The subscription that a notification is of, for who lists what waits.
alter table notification add column key text;
create index notification_of_account on notification (account, id);

-- What was told of the silence of a process.
alter table process add column state text not null default 'up';
