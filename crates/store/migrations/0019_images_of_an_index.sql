-- Which images of an index were taken, that of its tags first. An image may be in several.
create table index_image (
    account text not null,
    index_digest text not null,
    image_id bigint not null references image (id) on delete cascade,
    position bigint not null,
    platform text not null,
    primary key (account, index_digest, image_id)
) {clustered};
create index index_image_image on index_image (image_id);

-- Whether the tag names the index of the image, and means another image of it.
alter table image_tag add column child boolean not null default false;
