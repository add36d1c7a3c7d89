-- Whose turn it is, is read off an index: every subscription that is on is watched from the start, and what is switched off
-- is never due (the largest instant there is).
alter table watch add column type text not null default '';
update watch set type = (select s.type from subscription s where s.account = watch.account and s.id = watch.subscription);
update watch set due_at = 9223372036854775807 where not exists (select 1 from subscription s where s.account = watch.account and s.id = watch.subscription and s.active);
insert into watch (account, subscription, type, due_at, state, failures)
    select s.account, s.id, s.type, 0, '', 0 from subscription s
    where s.active and s.type <> 'analysis_update'
        and not exists (select 1 from watch w where w.account = s.account and w.subscription = s.id);
create index watch_due on watch (type, due_at, account, subscription);
drop index subscription_watched;
