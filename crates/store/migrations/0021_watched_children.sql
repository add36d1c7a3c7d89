-- Through which index the image was found under the tag: the others of a tag's version have the same.
alter table image_tag add column index_digest text;
update image_tag set index_digest = (select i.index_digest from image i where i.account = image_tag.account and i.digest = image_tag.digest)
where (account, digest) in (select i.account, i.digest from index_image x join image i on i.id = x.image_id);

-- What of the tag an alert is about: the image that it means (empty), or, by its digest, another of its index.
alter table alert add column subject text not null default '';
drop index alert_open;
create unique index alert_open on alert (account, tag, subject) where closed_at is null;

-- Whether the tag names the index of the archived image, and means another image of it.
alter table archived_tag add column child boolean not null default false;
