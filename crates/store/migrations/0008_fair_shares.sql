-- Accounts take turns: whose last task began longest ago goes first.
alter table task add column started_at bigint not null default 0;
create index task_started on task (account, started_at);
-- How often its worker vanished: what takes its workers with it is given up sooner than what a registry refuses.
alter table task add column vanished bigint not null default 0;
