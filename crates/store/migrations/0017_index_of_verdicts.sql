alter table evaluation add column index_built_at bigint not null default 0;
alter table evaluation add column findings text;
