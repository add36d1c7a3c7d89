-- A notification that waits for others of its account and type, to be folded into one with them at this instant.
alter table notification add column folds_at bigint;
drop index notification_due;
create index notification_due on notification (due_at, id) where folds_at is null;
create index notification_folds on notification (account, type, id) where folds_at is not null;
