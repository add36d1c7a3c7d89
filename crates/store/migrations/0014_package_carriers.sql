{postgres}lock table image_package in access exclusive mode;
create table package_carriers (
    package_id bigint not null references package (id),
    account text not null,
    block bigint not null,
    images bigint not null,
    primary key (package_id, account, block)
) {clustered};
insert into package_carriers (package_id, account, block, images)
select l.package_id, i.account, i.id / 64, cast(sum(cast(1 as bigint) << cast(i.id % 64 as integer)) as bigint)
from image_package l join image i on i.id = l.image_id
where i.image_status = 'active' group by l.package_id, i.account, i.id / 64;

create table carried_package (
    image_id bigint not null references image (id) on delete cascade,
    package_id bigint not null,
    primary key (image_id, package_id)
) {clustered};
insert into carried_package (image_id, package_id) select image_id, package_id from image_package order by image_id, package_id;
drop table image_package;
alter table carried_package rename to image_package;
{postgres}analyze package_carriers;
{postgres}analyze image_package;
