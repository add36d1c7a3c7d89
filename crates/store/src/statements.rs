//! Every statement, by name, in the portable subset of SQLite and PostgreSQL.
//!
//! A test prepares all of [`STATEMENTS`] on both engines; names that end in an engine are prepared there only.

use crate::batch::{
    DIGEST_COLUMN, NAME_COLUMNS, NUMBER_COLUMN, PACKAGE_COLUMNS, ROWS, SEEN_COLUMNS, WANTED_COLUMNS, filled,
    filled_length,
};

/// The queued tasks that may run, one for each kind and account: the head of its lane. Reads as many index entries
/// as there are lanes, however long they are.
macro_rules! heads {
    () => {
        "with recursive kinds (kind) as (\
            select min(kind) from task where state = 'queued' \
            union all \
            select (select min(t.kind) from task t where t.state = 'queued' and t.kind > k.kind) from kinds k where k.kind is not null\
        ), lanes (kind, account) as (\
            select k.kind, (select min(t.account) from task t where t.state = 'queued' and t.kind = k.kind) from kinds k \
            where k.kind is not null and ($2 = '' or replace($2, ',' || k.kind || ',', '') <> $2) \
            union all \
            select l.kind, (select min(t.account) from task t where t.state = 'queued' and t.kind = l.kind and t.account > l.account) from lanes l where l.account is not null\
        ), heads (kind, account, id, priority) as (\
            select l.kind, l.account, \
            (select t.id from task t where t.state = 'queued' and t.kind = l.kind and t.account = l.account and t.run_after <= $1 order by t.priority desc, t.id limit 1), \
            (select t.priority from task t where t.state = 'queued' and t.kind = l.kind and t.account = l.account and t.run_after <= $1 order by t.priority desc, t.id limit 1) \
            from lanes l where l.account is not null\
        )"
    };
}

/// The head of the most deserving lane: of those of the highest priority, that of the account with the fewest running,
/// and of those the one that was served longest ago.
macro_rules! best {
    () => {
        ", busy (account, running) as (\
            select account, count(*) from task where state = 'running' and lease_until > $1 group by account\
        ), best (id, kind, account) as (\
            select h.id, h.kind, h.account from heads h left join busy b on b.account = h.account where h.id is not null \
            order by h.priority desc, coalesce(b.running, 0), \
            (select coalesce(max(t.started_at), 0) from task t where t.account = h.account), h.id limit 1\
        ) update task set state = 'running', again = false, lease = $3, lease_until = $4, attempts = attempts + 1, progress = null, started_at = $1, updated_at = $1 where id = "
    };
}

/// A task that waits.
macro_rules! enqueue {
    () => {
        "insert into task (kind, account, payload, priority, state, dedupe, again, attempts, max_attempts, run_after, created_at, updated_at, image) \
        values ($1, $2, $3, $4, 'queued', $5, false, 0, $6, $7, $8, $8, $9) \
        on conflict (account, dedupe) where state in ('queued', 'running') do update set "
    };
}

/// The events of an account that a filter lets through.
macro_rules! event {
    () => {
        "select id, uuid, account, type, level, document, created_at, acknowledged_at, acknowledged_by from event"
    };
}

macro_rules! events {
    () => {
        " where account = $1 and (cast($2 as text) is null or type like $2 escape '\\') and (cast($3 as text) is null or level = $3) \
        and (cast($4 as text) is null or service = $4) and (cast($5 as text) is null or host = $5) \
        and (cast($6 as text) is null or resource_type = $6) and (cast($7 as text) is null or resource = $7) \
        and (cast($8 as bigint) is null or created_at > $8) and (cast($9 as bigint) is null or created_at < $9)"
    };
}

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(pub(crate) const $name: &str = $sql;)*
        /// Every statement with its name.
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}

/// That a number is among those that a parameter lists as JSON.
macro_rules! listed_sqlite {
    ($parameter:literal) => {
        concat!("in (select value from json_each(", $parameter, "))")
    };
}

/// See [`listed_sqlite`]. An array, because PostgreSQL takes any such select for a hundred rows, and would rather read a
/// whole table than find those by its key.
macro_rules! listed_postgres {
    ($parameter:literal) => {
        concat!(
            "= any(array(select cast(value as bigint) from jsonb_array_elements_text(cast(",
            $parameter,
            " as jsonb))))"
        )
    };
}

macro_rules! blocks {
    ($packages:expr) => {
        concat!("select block, images from package_carriers where package_id ", $packages)
    };
}

/// The account is no help in finding them: without the empty text SQLite would go through all images of it, in their order.
macro_rules! carriers {
    ($images:expr) => {
        concat!(
            "select id, digest, config_digest, given_id, analyzed_at from image where account || '' = $1 and id ",
            $images,
            " and digest > $5 order by digest limit $3 offset $4"
        )
    };
}

macro_rules! carried {
    ($images:expr, $packages:expr) => {
        concat!(
            "select image_id, package_id from image_package where image_id ",
            $images,
            " and package_id ",
            $packages,
            " order by image_id, package_id"
        )
    };
}

/// When it is the turn of what nobody watches: the largest number of either engine.
macro_rules! never {
    () => {
        "9223372036854775807"
    };
}

/// The watches of tags that point, or pointed, to some images.
macro_rules! hasten_carriers {
    ($images:expr) => {
        concat!(
            "update watch set due_at = $2 where due_at > $2 and due_at < ",
            never!(),
            " and (account, subscription) in (select s.account, s.id from image i \
             join image_tag t on t.account = i.account and t.digest = i.digest join subscription s on s.account = t.account \
             and s.type = $1 and s.key = t.registry || '/' || t.repository || ':' || t.tag where i.id ",
            $images,
            ")"
        )
    };
}

/// Where an image stands in an index; one that was only said to be of it, after all that were taken of it.
macro_rules! place_in_index {
    () => {
        "coalesce(x.position, 1000000)"
    };
}

/// The image of a digest; else the one that the index of that digest stands for.
macro_rules! by_any_digest {
    () => {
        concat!(
            " from image i left join index_image x on x.account = $1 and x.index_digest = $2 and x.image_id = i.id where i.id in \
             (select id from image where account = $1 and digest = $2 union all select id from image where account = $1 and \
             index_digest = $2 union all select image_id from index_image where account = $1 and index_digest = $2) order by \
             case when i.digest = $2 then 0 else 1 end, ",
            place_in_index!(),
            ", i.created_at desc limit 1"
        )
    };
}

statements! {
    PING = "select 1";
    NO_JIT_POSTGRES = "set jit = off";
    LOCK_MIGRATIONS_POSTGRES = "select pg_advisory_xact_lock(7245531)";
    CREATE_SCHEMA_VERSION = "create table if not exists schema_version (version bigint primary key)";
    SCHEMA_VERSION = "select coalesce(max(version), 0) from schema_version";
    SET_SCHEMA_VERSION = "insert into schema_version (version) values ($1)";

    CREATE_ACCOUNT = "insert into account (name, type, state, email, created_at, updated_at) values ($1, $2, 'enabled', $3, $4, $4) returning *";
    ACCOUNT = "select * from account where name = $1";
    ACCOUNTS = "select * from account order by name";
    SET_ACCOUNT_STATE = "update account set state = $2, updated_at = $3 where name = $1 returning *";
    DELETE_EVENTS = "delete from event where account = $1";
    DELETE_ACCOUNT = "delete from account where name = $1";
    SOME_SUBSCRIPTION = "select count(*) from (select 1 from subscription where account = $1 limit 1) s";
    SOME_IMAGE = "select count(*) from (select 1 from image where account = $1 limit 1) i";
    LOCK_ACCOUNT_POSTGRES = "select name from account where name = $1 for update";
    DRAIN_IMAGES = "update image set updated_at = updated_at where id in (select id from image where account = $1 limit $2) returning id";
    DRAIN_KNOWN_PACKAGES = "delete from known_package where id in (select id from known_package where account = $1 limit $2)";
    DRAIN_EVENTS = "delete from event where id in (select id from event where account = $1 limit $2)";
    DRAIN_NOTICES = "delete from notification where id in (select id from notification where account = $1 limit $2)";
    DRAIN_ALERTS = "delete from alert where id in (select id from alert where account = $1 limit $2)";
    DRAIN_SUBSCRIPTIONS = "delete from subscription where account = $1 and id in (select id from subscription where account = $1 limit $2)";
    DRAIN_ARCHIVED = "delete from archived_image where id in (select id from archived_image where account = $1 limit $2)";
    CREATE_USER = "insert into account_user (username, account, type, source, password_hash, password_set_at, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $7) returning *";
    USER = "select * from account_user where account = $1 and username = $2";
    USER_BY_NAME = "select * from account_user where username = $1";
    USERS = "select * from account_user where account = $1 order by username";
    DELETE_USER = "delete from account_user where account = $1 and username = $2";
    DELETE_USERS = "delete from account_user where account = $1";
    SET_PASSWORD = "update account_user set password_hash = $3, password_set_at = $4, updated_at = $5 where account = $1 and username = $2 returning *";

    USER_AND_STANDING = "select u.*, a.type as account_type, a.state as account_state, r.role from account_user u join account a on a.name = u.account left join user_role r on r.username = u.username where u.username = $1 order by r.role";
    ROLES_OF_USER = "select username, role, granted_by, created_at from user_role where username = $1 order by role";
    CLEAR_ROLES = "delete from user_role where username = $1";
    ADD_ROLE = "insert into user_role (username, role, granted_by, created_at) values ($1, $2, $3, $4)";
    CREATE_API_KEY = "insert into api_key (id, account, username, name, role, hash, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8) returning *";
    API_KEYS = "select * from api_key where account = $1 and username = $2 order by created_at, id";
    API_KEY = "select * from api_key where account = $1 and id = $2";
    API_KEY_BY_HASH = "select * from api_key where hash = $1 and (expires_at is null or expires_at > $2)";
    USE_API_KEY = "update api_key set used_at = $2 where id = $1 and (used_at is null or used_at < $3)";
    DELETE_API_KEY = "delete from api_key where account = $1 and id = $2";
    DELETE_OLD_API_KEYS = "delete from api_key where id in (select id from api_key where expires_at < $1 limit $2)";

    ADD_AUDIT = "insert into audit (account, username, user_account, via, action, method, path, request, client, before, after, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning id";
    FINISH_AUDIT = "update audit set status = $2, after = coalesce(cast($3 as text), after) where id = $1";
    AUDIT = "select * from audit where account = $1 and (cast($2 as text) is null or username = $2) and (cast($3 as text) is null or action = $3) and (cast($4 as text) is null or path = $4) and (cast($5 as bigint) is null or created_at >= $5) and (cast($6 as bigint) is null or created_at < $6) and (cast($7 as bigint) is null or id < $7) order by id desc limit $8";
    AUDIT_OF_ALL = "select * from audit where (cast($1 as text) is null or username = $1) and (cast($2 as text) is null or action = $2) and (cast($3 as text) is null or path = $3) and (cast($4 as bigint) is null or created_at >= $4) and (cast($5 as bigint) is null or created_at < $5) and (cast($6 as bigint) is null or id < $6) order by id desc limit $7";
    DELETE_OLD_AUDIT = "delete from audit where id in (select id from audit where created_at < $1 limit $2)";

    UPSERT_IMAGE = "insert into image (account, digest, index_digest, config_digest, analysis_status, image_status, annotations, size_bytes, architecture, distro, distro_version, layer_count, dockerfile, dockerfile_mode, manifest, created_at, updated_at, given_id) values ($1, $2, $3, $4, 'not_analyzed', 'active', '{}', $5, $6, '', '', $7, $8, $9, $10, $11, $11, $12) on conflict (account, digest) do nothing";
    RESET_IMAGE = "update image set analysis_status = 'not_analyzed', image_status = 'active', failure = null, dockerfile = coalesce($3, dockerfile), dockerfile_mode = case when cast($3 as text) is null then dockerfile_mode else 'Actual' end, manifest = coalesce($4, manifest), index_digest = coalesce($5, index_digest), updated_at = $6, config_digest = $7, given_id = $8 where account = $1 and digest = $2";
    SET_ANNOTATIONS = "update image set annotations = $3, updated_at = $4 where account = $1 and digest = $2";
    LOCK_IMAGE = "update image set updated_at = updated_at where account = $1 and digest = $2 returning *";
    IMAGE = "select * from image where account = $1 and digest = $2";
    IMAGE_BY_ANY_DIGEST = concat!("select i.*", by_any_digest!());
    IMAGE_WITH_TAGS_SQLITE = concat!("select i.*, (select json_group_array(json_array(t.registry, t.repository, t.tag, t.detected_at, json(case when t.child then 'true' else 'false' end), t.index_digest) order by t.detected_at desc, t.id desc) from image_tag t where t.account = i.account and t.digest = i.digest) as tags", by_any_digest!());
    IMAGE_WITH_TAGS_POSTGRES = concat!("select i.*, (select coalesce(json_agg(json_build_array(t.registry, t.repository, t.tag, t.detected_at, t.child, t.index_digest) order by t.detected_at desc, t.id desc), '[]')::text from image_tag t where t.account = i.account and t.digest = i.digest) as tags", by_any_digest!());
    IMAGES_OF_INDEX = concat!("select i.* from image i left join index_image x on x.account = $1 and x.index_digest = $2 and x.image_id = i.id where i.id in (select id from image where account = $1 and index_digest = $2 union all select image_id from index_image where account = $1 and index_digest = $2) and i.image_status = 'active' order by ", place_in_index!(), ", i.created_at desc, i.id limit $3");
    PLATFORMS_OF_INDEX = "select i.digest, x.platform from index_image x join image i on i.id = x.image_id where x.account = $1 and x.index_digest = $2";
    KEEP_INDEX = "insert into index_image (account, index_digest, image_id, position, platform) values ($1, $2, $3, 0, '') on conflict do nothing";
    PUT_INDEX_IMAGE = "insert into index_image (account, index_digest, image_id, position, platform) values ($1, $2, $3, $4, $5) on conflict (account, index_digest, image_id) do update set position = excluded.position, platform = excluded.platform";
    SET_INDEX = "update image set index_digest = $2 where id = $1";
    IMAGE_BY_CONFIG = "select * from image where account = $1 and config_digest = $2 order by +created_at desc limit 1";
    IMAGE_BY_GIVEN_ID = "select * from image where account = $1 and given_id = $2 order by created_at desc limit 1";
    DELETING_IMAGES = "select account, digest from image where image_status = 'deleting'";
    IMAGES = "select * from image where account = $1 and (cast($2 as text) is null or image_status = $2) and (cast($3 as text) is null or analysis_status = $3) order by created_at desc, id desc";
    IMAGES_AFTER = "select * from image where account = $1 and image_status = 'active' and digest > $2 order by digest limit $3";
    ANALYZED_IMAGES = "select * from image where account = $1 and image_status = 'active' and analysis_status = 'analyzed' and digest > $2 order by digest limit $3";
    IMAGES_BY_TAG = "with of_tag as materialized (select digest, detected_at, id from image_tag where account = $1 and registry = $2 and repository = $3 and tag = $4 and not child) select i.* from (select digest, max(detected_at) as seen, max(id) as last from of_tag group by digest) t cross join image i where i.account = $1 and i.digest = t.digest and (cast($5 as text) is null or i.image_status = $5) and (cast($6 as text) is null or i.analysis_status = $6) order by t.seen desc, t.last desc limit $7";
    // By the images: without the empty texts SQLite would go through all versions of the tag for each of them.
    CHILDREN_OF_TAG = "with of_tag as materialized (select digest, index_digest from image_tag where account = $1 and registry = $2 and repository = $3 and tag = $4 and not child order by detected_at desc, id desc limit 1) select i.* from of_tag cross join index_image x cross join image i where x.account = $1 and x.index_digest = of_tag.index_digest and i.id = x.image_id and i.digest <> of_tag.digest and i.image_status = 'active' and exists (select 1 from image_tag t where t.account = $1 and t.digest = i.digest and t.registry || '' = $2 and t.repository || '' = $3 and t.tag || '' = $4 and t.child and t.index_digest = of_tag.index_digest) order by x.position, i.id limit $5";
    TAGS_OF_ACCOUNT = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 order by detected_at desc, id desc";
    TAGS_OF_IMAGE = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 and digest = $2 order by detected_at desc, id desc";
    TAGS_OF_IMAGES_SQLITE = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 and digest in (select value from json_each($2)) order by detected_at desc, id desc";
    TAGS_OF_IMAGES_POSTGRES = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 and digest in (select value from jsonb_array_elements_text(cast($2 as jsonb))) order by detected_at desc, id desc";
    LATEST_OF_TAG = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 and registry = $2 and repository = $3 and tag = $4 and not child order by detected_at desc, id desc limit 1";
    TAG_AFTER = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 and registry = $2 and repository = $3 and tag = $4 and detected_at > $5 and not child order by detected_at, id limit 1";
    TAG_AT = "select digest, registry, repository, tag, detected_at, child, index_digest from image_tag where account = $1 and registry = $2 and repository = $3 and tag = $4 and detected_at <= $5 and not child order by detected_at desc, id desc limit 1";
    OTHERS_OF_TAG = "with of_tag as materialized (select digest, detected_at, id from image_tag where account = $1 and registry = $2 and repository = $3 and tag = $4 and not child) select digest from of_tag where digest <> $5 group by digest order by max(detected_at) desc, max(id) desc";
    ADD_TAG = "insert into image_tag (account, digest, registry, repository, tag, detected_at, child, index_digest) values ($1, $2, $3, $4, $5, $6, $7, $8)";
    SET_TAG_INDEX = "update image_tag set index_digest = $7 where account = $1 and digest = $2 and registry = $3 and repository = $4 and tag = $5 and detected_at = $6 and coalesce(index_digest, '') <> coalesce(cast($7 as text), '')";
    ADD_CHILD_TAG = "insert into image_tag (account, digest, registry, repository, tag, detected_at, child, index_digest) select cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text), cast($5 as text), cast($6 as bigint), true, cast($7 as text) where not exists (select 1 from image_tag where account = $1 and digest = $2 and registry = $3 and repository = $4 and tag = $5 and detected_at = $6)";
    SET_IMAGE_STATUS = "update image set image_status = $3, updated_at = $4 where account = $1 and digest = $2 returning id";
    ONLY_CHILDREN = "select i.* from image i where i.id in (select x.image_id from image m join index_image p on p.image_id = m.id join index_image x on x.account = p.account and x.index_digest = p.index_digest where m.account = $1 and m.digest = $2) and i.digest <> $2 and i.image_status = 'active' and exists (select 1 from image_tag t where t.account = $1 and t.digest = i.digest) and not exists (select 1 from image_tag t where t.account = $1 and t.digest = i.digest and (not t.child or not exists (select 1 from image_tag m where m.account = $1 and m.digest = $2 and not m.child and m.registry || '' = t.registry and m.repository || '' = t.repository and m.tag || '' = t.tag) or exists (select 1 from index_image x join image o on o.id = x.image_id join image_tag m on m.account = o.account and m.digest = o.digest where x.account = $1 and x.index_digest = t.index_digest and o.digest <> $2 and o.image_status = 'active' and not m.child and m.registry || '' = t.registry and m.repository || '' = t.repository and m.tag || '' = t.tag and m.index_digest = t.index_digest))) order by i.id";
    PLACES_OF_IMAGE = "select x.index_digest, x.position, x.platform from image i join index_image x on x.image_id = i.id where i.account = $1 and i.digest = $2 order by x.index_digest";
    START_ANALYSIS = "update image set analysis_status = 'analyzing', failure = null, updated_at = $3 where account = $1 and digest = $2 and image_status = 'active' and exists (select 1 from task where id = $4 and lease = $5 and state = 'running')";
    FINISH_IMAGE = "update image set analysis_status = $10, failure = null, analysis = $3, size_bytes = $4, architecture = $5, distro = $6, distro_version = $7, layer_count = $8, analyzed_at = $9, updated_at = $9 where account = $1 and digest = $2 returning id";
    FAIL_IMAGE = "update image set analysis_status = $3, failure = $4, updated_at = $5 where account = $1 and digest = $2";
    GOING_IMAGE = "update image set image_status = 'deleting' where account = $1 and digest = $2 and image_status = 'deleting' returning id";
    REMOVE_IMAGE = "delete from image where id = $1";

    RESTORE_IMAGE = "insert into image (account, digest, index_digest, config_digest, analysis_status, image_status, annotations, size_bytes, architecture, distro, distro_version, layer_count, dockerfile, dockerfile_mode, manifest, created_at, updated_at, given_id, analysis, analyzed_at) values ($1, $2, $3, $4, 'analyzed', 'active', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) returning id";
    EVALUATIONS_OF_IMAGE = "select tag, policy_id, policy_digest, action, result, superseded, created_at, updated_at from evaluation where account = $1 and digest = $2 order by id";
    RESTORE_EVALUATION = "insert into evaluation (account, digest, tag, policy_id, policy_digest, action, result, superseded, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

    CREATE_IMPORT = "insert into import_operation (id, account, status, expires_at, created_at, updated_at, created_by) values ($1, $2, 'pending', $3, $4, $4, $5) returning *";
    OPEN_IMPORTS = "select count(*) from import_operation where account = $1 and status in ('pending', 'processing')";
    IMPORT = "select * from import_operation where account = $1 and id = $2";
    IMPORTS = "select * from import_operation where account = $1 order by created_at, id";
    TOUCH_IMPORT = "update import_operation set updated_at = $3 where account = $1 and id = $2 returning *";
    INVALIDATE_IMPORT = "update import_operation set status = 'invalidated', updated_at = $3 where account = $1 and id = $2 and status = 'pending'";
    USE_IMPORT = "update import_operation set status = $3, task = cast($4 as bigint), updated_at = $5 where account = $1 and id = $2 and status = 'pending' and expires_at > $5";
    END_IMPORTS = "update import_operation set status = $2, updated_at = $3 where task = $1 and status = 'processing'";
    EXPIRE_IMPORTS = "update import_operation set status = 'expired', updated_at = $1 where status = 'pending' and expires_at <= $1";
    FORGET_IMPORT_CONTENTS = "delete from import_content where operation in (select id from import_operation where status not in ('pending', 'processing'))";
    DELETE_OLD_IMPORTS = "delete from import_operation where id in (select id from import_operation where status not in ('pending', 'processing') and updated_at < $1 limit $2)";
    IMPORT_CONTENT = "select type, digest, size_bytes, created_at from import_content where operation = $1 and type = $2 and digest = $3";
    COUNT_IMPORT_CONTENTS = "select count(*) from import_content where operation = $1";
    ADD_IMPORT_CONTENT = "insert into import_content (operation, type, digest, size_bytes, created_at) values ($1, $2, $3, $4, $5) returning type, digest, size_bytes, created_at";
    IMPORT_CONTENTS = "select c.type, c.digest, c.size_bytes, c.created_at from import_content c join import_operation o on o.id = c.operation where o.account = $1 and o.id = $2 and (cast($3 as text) is null or c.type = $3) order by c.created_at, c.digest";

    PUT_ARCHIVED = "insert into archived_image (account, digest, index_digest, status, annotations, document, size_bytes, analyzed_at, created_at, updated_at) values ($1, $2, $3, 'archived', $4, $5, $6, $7, $8, $8) on conflict (account, digest) do update set index_digest = excluded.index_digest, status = excluded.status, annotations = excluded.annotations, document = excluded.document, size_bytes = excluded.size_bytes, analyzed_at = excluded.analyzed_at, created_at = excluded.created_at, updated_at = excluded.updated_at returning *";
    FORGET_ARCHIVED_TAGS = "delete from archived_tag where archived_id = $1";
    ADD_ARCHIVED_TAG = "insert into archived_tag (archived_id, registry, repository, tag, detected_at, child) values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    ARCHIVED = "select * from archived_image where account = $1 and digest = $2";
    ARCHIVED_IMAGES = "select * from archived_image where account = $1 order by created_at desc, id desc";
    ARCHIVED_AFTER = "select * from archived_image where account = $1 and digest > $2 order by digest limit $3";
    ARCHIVED_TAGS = "select a.digest, t.registry, t.repository, t.tag, t.detected_at, t.child, a.analyzed_at, a.created_at from archived_tag t join archived_image a on a.id = t.archived_id where a.account = $1 and (cast($2 as text) is null or a.digest = $2) order by a.digest, t.registry, t.repository, t.tag";
    ARCHIVABLE_TAGS = "select i.digest, t.registry, t.repository, t.tag, t.detected_at, t.child, i.analyzed_at, i.created_at from image_tag t join image i on i.account = t.account and i.digest = t.digest where i.account = $1 and i.image_status = 'active' and i.analysis_status = 'analyzed' and i.analyzed_at is not null order by i.digest, t.registry, t.repository, t.tag, t.detected_at";
    ARCHIVE_SUMMARY = "select count(*) as images, cast(coalesce(sum((select count(*) from archived_tag t where t.archived_id = a.id)), 0) as bigint) as tags, cast(coalesce(sum(a.size_bytes), 0) as bigint) as size_bytes, max(a.updated_at) as updated_at from archived_image a where a.status = 'archived' and (cast($1 as text) is null or a.account = $1)";
    DELETE_ARCHIVED = "update archived_image set status = 'deleting', updated_at = $3 where account = $1 and digest = $2 and status = 'archived' returning id";
    PURGE_ARCHIVED = "delete from archived_image where id in (select id from archived_image where status = 'deleting' and updated_at <= $1 limit $2)";
    ADD_ARCHIVE_RULE = "insert into archive_rule (id, account, system_global, transition, registry, repository, tag, analysis_age_days, tag_versions_newer, max_images_per_account, exclude_registry, exclude_repository, exclude_tag, exclude_expiration_days, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15) returning *";
    ARCHIVE_RULE = "select * from archive_rule where id = $2 and (account = $1 or system_global)";
    ARCHIVE_RULES = "select * from archive_rule where account = $1 or ($2 and system_global) order by created_at, id";
    DELETE_ARCHIVE_RULE = "delete from archive_rule where account = $1 and id = $2";
    ADD_ARCHIVE_HISTORY = "insert into archive_history (rule, account, digest, transition, created_at) select r.id, $2, $3, $4, cast($5 as bigint) from archive_rule r where r.id = $1";
    ARCHIVE_HISTORY = "select rule, account, digest, transition, created_at from archive_history where account = $1 and rule = $2 order by id desc limit $3";
    DELETE_OLD_ARCHIVE_HISTORY = "delete from archive_history where id in (select id from archive_history where created_at < $1 limit $2)";

    ADD_PACKAGES = filled!(PACKAGE_COLUMNS, "insert into package (kind, name, version, architecture, source_name, source_version, release, origin) values ", " on conflict do nothing");
    LINK_PACKAGES = filled!(PACKAGE_COLUMNS, "with v as (values ", ") insert into image_package (image_id, package_id) select cast($401 as bigint), p.id from v join package p on p.name = v.column2 and p.version = v.column3 and p.kind = v.column1 and p.architecture = v.column4 and p.source_name = v.column5 and p.source_version = v.column6 and p.release = v.column7 and p.origin = v.column8 where true on conflict do nothing");
    ADD_PACKAGE_NAMES = filled!(NAME_COLUMNS, "with v as (values ", ") insert into package_name (ecosystem, name, package_id) select v.column9, v.column10, p.id from v join package p on p.name = v.column2 and p.version = v.column3 and p.kind = v.column1 and p.architecture = v.column4 and p.source_name = v.column5 and p.source_version = v.column6 and p.release = v.column7 and p.origin = v.column8 where true on conflict do nothing");
    ADD_PACKAGE_DOCUMENTS = filled!(NAME_COLUMNS, "with v as (values ", ") insert into package_document (package_id, digest, document) select p.id, v.column9, v.column10 from v join package p on p.name = v.column2 and p.version = v.column3 and p.kind = v.column1 and p.architecture = v.column4 and p.source_name = v.column5 and p.source_version = v.column6 and p.release = v.column7 and p.origin = v.column8 where true on conflict do nothing");
    PACKAGE_DOCUMENTS = filled!(NUMBER_COLUMN, "with v as (values ", ") select distinct d.package_id, d.digest, d.document from v join package_document d on d.package_id = cast(v.column1 as bigint)");
    PACKAGES_LOOKED_UP = filled!(WANTED_COLUMNS, "with v as (values ", ") select distinct n.package_id from v join package_name n on n.ecosystem = v.column1 and n.name = v.column2 order by n.package_id");
    PACKAGES_OF_ECOSYSTEM = "select id from package where id in (select package_id from package_name where ecosystem = $1) order by id";
    LOCK_CARRIERS_POSTGRES = "select pg_advisory_xact_lock(7245533, cast(cast($1 as bigint) % 2147483647 as integer))";
    CARRY = "insert into package_carriers (package_id, account, block, images) select l.package_id, cast($2 as text), cast($3 as bigint), cast($4 as bigint) from image_package l join image i on i.id = l.image_id where l.image_id = $1 and i.image_status = 'active' on conflict (package_id, account, block) do update set images = package_carriers.images | excluded.images";
    UNCARRY = "update package_carriers set images = images & $4 where account = $2 and block = $3 and package_id in (select package_id from image_package where image_id = $1)";
    FORGET_UNCARRIED = "delete from package_carriers where account = $2 and block = $3 and images = $4 and package_id in (select package_id from image_package where image_id = $1)";
    BLOCKS_SQLITE = blocks!(listed_sqlite!("$1"));
    BLOCKS_POSTGRES = blocks!(listed_postgres!("$1"));
    BLOCKS_OF_ACCOUNT_SQLITE = concat!(blocks!(listed_sqlite!("$1")), " and account = $2");
    BLOCKS_OF_ACCOUNT_POSTGRES = concat!(blocks!(listed_postgres!("$1")), " and account = $2");
    IMAGES_BY_DIGEST = "select id from image where account = $1 and digest > $2 order by digest";
    CARRIERS_SQLITE = carriers!(listed_sqlite!("$2"));
    CARRIERS_POSTGRES = carriers!(listed_postgres!("$2"));
    CARRIED_SQLITE = carried!(listed_sqlite!("$1"), listed_sqlite!("$2"));
    CARRIED_POSTGRES = carried!(listed_postgres!("$1"), listed_postgres!("$2"));
    SHARE_PACKAGES_POSTGRES = "select pg_advisory_xact_lock_shared(7245532)";
    LOCK_PACKAGES_POSTGRES = "select pg_advisory_xact_lock(7245532)";
    LAST_OF_PACKAGES = "select max(id) from (select id from package where id > $1 order by id limit $2) batch";
    PRUNE_PACKAGES = "delete from package where id > $1 and id <= $2 and not exists (select 1 from package_carriers c where c.package_id = package.id)";
    UNLINK_PACKAGES = "delete from image_package where image_id = $1";
    PACKAGES_OF_IMAGE = "select p.* from package p join image_package l on l.package_id = p.id join image i on i.id = l.image_id where i.account = $1 and i.digest = $2 order by p.kind, p.name, p.version, p.id";
    PACKAGES_NAMED = "select * from package where name = $1 order by id";

    LAYER_FACT = "select blob, used_at from layer_fact where diff_id = $1 and revision = $2";
    USE_LAYER_FACT = "update layer_fact set used_at = $3 where diff_id = $1 and revision = $2";
    PUT_LAYER_FACT = "insert into layer_fact (diff_id, revision, blob, created_at, used_at) values ($1, $2, $3, $4, $4) on conflict (diff_id, revision) do update set blob = excluded.blob, created_at = excluded.created_at, used_at = excluded.used_at";
    DELETE_OLD_LAYER_FACTS = "delete from layer_fact where (diff_id, revision) in (select diff_id, revision from layer_fact where used_at < $1 and not exists (select 1 from image where image.config_digest = layer_fact.diff_id) limit $2)";
    FIND_KNOWN_FILES = filled!(DIGEST_COLUMN, "with v as (values ", ") select distinct f.sha256, p.document from v join known_file f on f.sha256 = v.column1 join known_package p on p.id = f.package_id where p.account = $51 order by f.sha256, p.document");
    KNOWN_PACKAGES = filled!(DIGEST_COLUMN, "with v as (values ", ") select distinct p.digest, p.seen_at from v join known_package p on p.digest = v.column1 where p.account = $51");
    PUT_KNOWN_PACKAGE = "insert into known_package (account, digest, document, files, seen_at) values ($1, $2, $3, $4, $5) on conflict (account, digest) do update set seen_at = excluded.seen_at returning id";
    ADD_KNOWN_FILES = filled!(DIGEST_COLUMN, "with v as (values ", ") insert into known_file (sha256, package_id) select v.column1, cast($51 as bigint) from v where true on conflict do nothing");
    FORGET_KNOWN_PACKAGES = "delete from known_package where account = $1 and id in (select s.id from (select k.id, sum(k.files) over (order by k.seen_at desc, k.id desc) as total from known_package k where k.account = $1) s where s.total > $2)";
    DELETE_OLD_KNOWN_PACKAGES = "delete from known_package where id in (select id from known_package where seen_at < $1 limit $2)";
    SET_KNOWLEDGE = "insert into knowledge (digest, path, data_at, installed_at) values ($1, $2, $3, $4) on conflict (digest) do update set path = excluded.path, data_at = excluded.data_at, installed_at = excluded.installed_at";
    KNOWLEDGE = "select * from knowledge order by installed_at desc, digest limit 1";
    FEED_GROUPS = "select * from feed_group order by feed, name";
    SET_FEED_GROUP = "insert into feed_group (feed, name, enabled, record_count, synced_at) values ($1, $2, $3, $4, $5) on conflict (feed, name) do update set enabled = excluded.enabled, record_count = excluded.record_count, synced_at = excluded.synced_at";
    MATCHES = "select m.blob from match_cache m join image i on i.id = m.image_id where i.account = $1 and i.digest = $2 and m.index_digest = $3";
    PUT_MATCHES = "insert into match_cache (image_id, index_digest, blob, created_at) select id, $3, $4, $5 from image where account = $1 and digest = $2 on conflict (image_id, index_digest) do update set blob = excluded.blob";
    FORGET_MATCHES = "delete from match_cache where image_id in (select id from image where account = $1 and digest = $2)";
    FORGET_ALL_MATCHES = "delete from match_cache where (image_id, index_digest) in (select image_id, index_digest from match_cache where created_at <= $1 limit $2)";
    PUT_FIRST_DETECTED = filled!(SEEN_COLUMNS, "with v as (values ", ") insert into first_detected (image_id, vulnerability, package, detected_at) select i.id, v.column1, v.column2, cast($103 as bigint) from image i, v where i.account = $101 and i.digest = $102 on conflict do nothing");
    FIRST_DETECTED = "select f.vulnerability, f.package, f.detected_at from first_detected f join image i on i.id = f.image_id where i.account = $1 and i.digest = $2 order by f.vulnerability, f.package";

    PUT_POLICY = "insert into policy (account, id, active, document, digest, source, created_at, updated_at) values ($1, $2, false, $3, $4, $5, $6, $6) on conflict (account, id) do update set document = excluded.document, digest = excluded.digest, source = excluded.source, updated_at = excluded.updated_at returning *";
    POLICY = "select * from policy where account = $1 and id = $2";
    POLICIES = "select * from policy where account = $1 order by created_at, id";
    ACTIVE_POLICY = "select * from policy where account = $1 and active";
    POLICY_AND_EXCEPTIONS = "select p.*, e.number, e.changed_at from policy p, (select count(*) as number, coalesce(max(updated_at), 0) as changed_at from policy_exception where account = $1) e where p.account = $1 and ((cast($2 as text) is null and p.active) or p.id = $2)";
    POLICIES_AFTER = "select * from policy where account = $1 and id > $2 order by id limit $3";
    DEACTIVATE_POLICIES = "update policy set active = false where account = $1 and active and id <> $2";
    ACTIVATE_POLICY = "update policy set active = true, updated_at = $3 where account = $1 and id = $2 returning *";
    DELETE_POLICY = "delete from policy where account = $1 and id = $2 and not active";

    CREATE_EXCEPTION = "insert into policy_exception (account, id, document, created_by, created_at, updated_at) values ($1, $2, $3, $4, $5, $5) returning *";
    UPDATE_EXCEPTION = "update policy_exception set document = $3, updated_at = $4 where account = $1 and id = $2 returning *";
    EXCEPTION = "select * from policy_exception where account = $1 and id = $2";
    EXCEPTIONS = "select * from policy_exception where account = $1 and id > $2 order by id limit $3";
    EXCEPTIONS_STATE = "select count(*) as number, coalesce(max(updated_at), 0) as changed_at from policy_exception where account = $1";
    DELETE_EXCEPTION = "delete from policy_exception where account = $1 and id = $2";

    OPEN_ALERT = "insert into alert (account, tag, subject, digest, policy_id, policy_digest, opened_at, updated_at) select s.account, s.key, cast($7 as text), cast($3 as text), cast($4 as text), cast($5 as text), cast($6 as bigint), cast($6 as bigint) from subscription s where s.account = $1 and s.type = 'alerts' and s.key = $2 and s.active on conflict (account, tag, subject) where closed_at is null do nothing returning *";
    MOVE_ALERT = "update alert set digest = $3, policy_id = $4, policy_digest = $5, updated_at = $6 where account = $1 and tag = $2 and subject = $7 and closed_at is null";
    CLOSE_ALERT = "update alert set closed_at = $5, updated_at = $5, closed_for = $3, closed_by = $4 where account = $1 and id = $2 and closed_at is null returning *";
    CLOSE_UNSUBSCRIBED_ALERT = "update alert set closed_at = $3, updated_at = $3, closed_for = 'unsubscribed' where account = $1 and tag = $2 and closed_at is null and not exists (select 1 from subscription s where s.account = $1 and s.type = 'alerts' and s.key = $2 and s.active)";
    ALERT = "select * from alert where account = $1 and id = $2";
    LAST_ALERT = "select * from alert where account = $1 and tag = $2 and subject = $3 order by id desc limit 1";
    ALERTS = "select * from alert where account = $1 and id < $2 and (cast($3 as boolean) is null or (closed_at is null) = $3) order by id desc limit $4";
    ALERTS_OF_TAG = "select * from alert where account = $1 and id < $2 and (cast($3 as boolean) is null or (closed_at is null) = $3) and tag = $5 order by id desc limit $4";
    OPEN_ALERTS = "select * from alert where account = $1 and id < $2 and closed_at is null order by id desc limit $3";
    DELETE_OLD_ALERTS = "delete from alert where id in (select id from alert where closed_at < $1 and exists (select 1 from alert later where later.account = alert.account and later.tag = alert.tag and later.subject = alert.subject and later.id > alert.id) limit $2)";

    ADD_EVALUATION = "insert into evaluation (account, digest, tag, policy_id, policy_digest, action, result, created_at, updated_at, index_built_at, findings) values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10) returning *";
    TOUCH_EVALUATION = "update evaluation set updated_at = $3, result = $5, index_built_at = case when index_built_at > $4 then index_built_at else $4 end where account = $1 and id = $2 returning *";
    LOCK_EVALUATIONS_POSTGRES = "select pg_advisory_xact_lock(hashtextextended($1, 0))";
    NEWEST_EVALUATION_OF_POLICY = "select * from evaluation where account = $1 and digest = $2 and tag = $3 and policy_id = $4 order by updated_at desc, id desc limit 1";
    NEWEST_EVALUATION = "select * from evaluation where account = $1 and digest = $2 and tag = $3 order by updated_at desc, id desc limit 1";
    EVALUATIONS = "select * from evaluation where account = $1 and digest = $2 and tag = $3 and (cast($4 as text) is null or policy_id = $4) order by updated_at desc, id desc";
    SUPERSEDE_EVALUATIONS = "update evaluation set superseded = true where account = $1 and digest = $2 and tag = $3 and policy_id = $4 and id <> $5 and not superseded";
    DELETE_OLD_EVALUATIONS = "delete from evaluation where id in (select id from evaluation where superseded and updated_at < $1 limit $2)";

    ADD_REGISTRY = "insert into registry (account, registry, name, type, username, secret, verify, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $8) returning *";
    UPDATE_REGISTRY = "update registry set name = $3, type = $4, username = $5, secret = $6, verify = $7, updated_at = $8 where account = $1 and registry = $2 returning *";
    REGISTRY = "select * from registry where account = $1 and registry = $2";
    REGISTRIES = "select * from registry where account = $1 order by length(registry) desc, registry";
    DELETE_REGISTRY = "delete from registry where account = $1 and registry = $2";

    ADD_SUBSCRIPTION = "insert into subscription (account, id, key, type, value, active, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing";
    SUBSCRIPTION = "select * from subscription where account = $1 and id = $2";
    SUBSCRIPTIONS = "select * from subscription where account = $1 and (cast($2 as text) is null or key = $2) and (cast($3 as text) is null or type = $3) order by created_at, key, type";
    SUBSCRIPTIONS_AFTER = "select * from subscription where account = $1 and id > $4 and (cast($2 as text) is null or key = $2) and (cast($3 as text) is null or type = $3) order by id limit $5";
    SET_SUBSCRIPTION = "update subscription set active = $3, updated_at = $4 where account = $1 and id = $2 and active <> $3";
    CHANGE_SUBSCRIPTION = "update subscription set active = coalesce(cast($3 as boolean), active), value = case when $4 then $5 else value end, updated_at = $6 where account = $1 and id = $2 returning *";
    SET_SUBSCRIPTION_VALUE = "update subscription set value = $3, updated_at = $4 where account = $1 and id = $2 and coalesce(value, '') = $5";
    DELETE_SUBSCRIPTION = "delete from subscription where account = $1 and id = $2 returning key";
    DEACTIVATE_SUBSCRIPTIONS = "update subscription set active = false, updated_at = $3 where account = $1 and key = $2 and active and type <> 'repo_update'";
    ACTIVE_SUBSCRIPTIONS = "select count(*) from subscription where account = $1 and key = $2 and active";

    DUE_WATCHES = "select w.account, w.subscription as id, s.key, s.value, w.state, w.failures, w.due_at from watch w join subscription s on s.account = w.account and s.id = w.subscription join account a on a.name = w.account where w.type = $1 and w.due_at <= $2 and s.active and a.state = 'enabled' order by w.due_at, w.account, w.subscription limit $3";
    WATCH = concat!("insert into watch (account, subscription, type, due_at, state, failures) select s.account, s.id, s.type, 0, '', 0 from subscription s where s.account = $1 and s.id = $2 and s.active and s.type <> 'analysis_update' on conflict (account, subscription) do update set due_at = excluded.due_at where watch.due_at = ", never!());
    UNWATCH = concat!("update watch set due_at = ", never!(), " where due_at < ", never!(), " and (account, subscription) in (select s.account, s.id from subscription s where s.account = $1 and s.key = $2 and not s.active)");
    CLAIM_WATCH = "update watch set due_at = $3 where account = $1 and subscription = $2 and due_at = $4";
    FINISH_WATCH = "update watch set due_at = case when due_at = $3 then $4 else due_at end, state = case when due_at = $3 then $5 else state end, failures = $6 where account = $1 and subscription = $2";
    HASTEN_WATCHES = concat!("update watch set due_at = $3 where type = $1 and due_at > $3 and due_at < ", never!(), " and (cast($2 as text) is null or account = $2)");
    HASTEN_IMAGE = concat!("update watch set due_at = $3 where due_at > $3 and due_at < ", never!(), " and (account, subscription) in (select s.account, s.id from image_tag t join subscription s on s.account = t.account and s.key = t.registry || '/' || t.repository || ':' || t.tag where t.account = $1 and t.digest = $2 and s.type in ('policy_eval', 'vuln_update', 'alerts'))");
    LOCK_WATCHES_POSTGRES = "select pg_advisory_xact_lock(7245534)";
    RESTART_WATCH = "update watch set due_at = $3, state = case when $4 then '' else state end where account = $1 and subscription = $2";
    HASTEN_CARRIERS_SQLITE = hasten_carriers!(listed_sqlite!("$3"));
    HASTEN_CARRIERS_POSTGRES = hasten_carriers!(listed_postgres!("$3"));
    WATCH_RESULT = "select basis, result from watch_result where account = $1 and subscription = $2 and subject = $3";
    PUT_WATCH_RESULT = "insert into watch_result (account, subscription, subject, basis, result, seen_at) select account, id, cast($3 as text), cast($4 as text), cast($5 as text), cast($6 as bigint) from subscription where account = $1 and id = $2 on conflict (account, subscription, subject) do update set basis = excluded.basis, result = excluded.result, seen_at = excluded.seen_at where watch_result.basis = cast($7 as text)";

    ADD_EVENT = "insert into event (account, type, level, document, created_at, uuid, service, host, resource_type, resource) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    EVENTS = concat!(event!(), events!(), " order by created_at desc, id desc limit $10 offset $11");
    EVENTS_BELOW = concat!(event!(), events!(), " and (cast($10 as boolean) is null or (acknowledged_at is not null) = $10) and (created_at, id) < ($11, $12) order by created_at desc, id desc limit $13");
    EVENT = concat!(event!(), " where account = $1 and uuid = $2");
    ACKNOWLEDGE_EVENT = "update event set acknowledged_at = $3, acknowledged_by = $4 where account = $1 and uuid = $2 and (acknowledged_at is null) = (cast($3 as bigint) is not null) returning id, uuid, account, type, level, document, created_at, acknowledged_at, acknowledged_by";
    DELETE_EVENT = "delete from event where account = $1 and uuid = $2";
    DELETE_SOME_EVENTS = concat!("delete from event", events!(), " returning uuid");
    DELETE_OLD_EVENTS = "delete from event where id in (select id from event where created_at < $1 limit $2)";
    ADD_NOTICE = "insert into notification (uuid, account, type, payload, attempts, due_at, created_at, folds_at, key) select cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text), 0, cast($6 as bigint), cast($6 as bigint), cast($7 as bigint), cast($5 as text) where cast($5 as text) is null or exists (select 1 from subscription s where s.account = $2 and s.key = $5 and s.type = $3 and s.active)";
    DUE_NOTICES = "select n.id, n.uuid, n.account, a.email, n.type, n.payload, n.attempts, n.due_at, n.last_error, n.created_at from notification n join account a on a.name = n.account where n.due_at <= $1 and n.folds_at is null order by n.due_at, n.id limit $2";
    DUE_GROUPS = "select account, type, max(id) as last, count(*) as size from notification where folds_at is not null group by account, type having min(folds_at) <= $1 order by account, type";
    GROUP_MEMBERS = "select id, uuid, payload, created_at from notification where account = $1 and type = $2 and folds_at is not null and id > $3 and id <= $4 order by id limit $5";
    DELETE_GROUP = "delete from notification where account = $1 and type = $2 and folds_at is not null and id <= $3";
    UNGROUP = "update notification set folds_at = null, due_at = $4 where account = $1 and type = $2 and folds_at is not null and id <= $3";
    CLAIM_NOTICE = "update notification set due_at = $3, attempts = attempts + 1 where id = $1 and due_at = $2";
    DELETE_NOTICE = "delete from notification where id = $1 and due_at = $2";
    PUT_OFF_NOTICE = "update notification set due_at = $3, last_error = coalesce(cast($4 as text), last_error) where id = $1 and due_at = $2";
    NOTICES = "select id, uuid, type, key, attempts, due_at, folds_at, last_error, created_at from notification where account = $1 and id < $2 order by id desc limit $3";
    WAITING_NOTICES = "select count(*) from notification";
    NOTE_PROCESS = "insert into process (id, host, base_url, roles, seen_at) values ($1, $2, $3, $4, $5) on conflict (id) do update set seen_at = excluded.seen_at, state = case when process.seen_at <= excluded.seen_at - cast($6 as bigint) then 'up' else process.state end";
    PROCESSES = "select * from process order by seen_at desc, id";
    FORGET_PROCESS = "delete from process where id = $1";
    NOTE_SILENT_PROCESSES = "update process set state = $2 where state = $1 and seen_at <= $3 returning *";
    REMOVE_SILENT_PROCESSES = "delete from process where seen_at <= $1 returning *";
    FORGET_SILENT_PROCESSES = "delete from process where host = $1 and seen_at <= $2";
    SETTING = "select value from setting where key = $1";
    MOVE_SETTING = "insert into setting (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value where setting.value = $3";
    SET_SETTING = "insert into setting (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value";

    ENQUEUE = concat!(enqueue!(), "updated_at = task.updated_at returning id");
    ENQUEUE_AGAIN = concat!(enqueue!(), "priority = case when excluded.priority > task.priority then excluded.priority else task.priority end, payload = excluded.payload, again = (task.state = 'running'), run_after = case when task.state = 'running' then task.run_after else excluded.run_after end, attempts = case when task.state = 'running' then task.attempts else 0 end, updated_at = excluded.updated_at returning id");
    HASTEN_TASK = "update task set priority = $3, updated_at = $4 where account = $1 and dedupe = $2 and state in ('queued', 'running') and state = 'queued' and priority < $3";
    CLAIM_SQLITE = concat!(heads!(), best!(), "(select id from best) returning *");
    CLAIM_POSTGRES = concat!(heads!(), best!(), "(select t.id from task t where t.state = 'queued' and t.kind = (select kind from best) and t.account = (select account from best) and t.run_after <= $1 order by t.priority desc, t.id limit 1 for update skip locked) returning *");
    CLAIMABLE = concat!(heads!(), " select count(*) from heads where id is not null");
    VANISHED = "select count(*) from (select id from task where state = 'running' and lease_until <= $1 limit 1) v";
    GIVE_UP = "update task set state = 'failed', lease = null, lease_until = null, last_error = 'the worker vanished', updated_at = $1 where state = 'running' and lease_until <= $1 and (attempts >= max_attempts or vanished >= $2) and not again returning *";
    REQUEUE_VANISHED = "update task set state = 'queued', vanished = case when again then 0 else vanished + 1 end, attempts = case when again then 0 else attempts end, again = false, lease = null, lease_until = null, last_error = 'the worker vanished', run_after = $1, updated_at = $1 where state = 'running' and lease_until <= $1 and (attempts < max_attempts and vanished < $2 or again) returning *";
    RENEW = "update task set lease_until = $3, updated_at = $4 where id = $1 and lease = $2 and state = 'running' and lease_until > $4";
    COMPLETE = "update task set state = case when again then 'queued' else 'done' end, attempts = case when again then 0 else attempts end, run_after = case when again then $3 else run_after end, again = false, lease_until = null, updated_at = $3 where id = $1 and lease = $2 and state = 'running' returning state";
    WAITING_TASKS = "select count(*) from task where kind = $1 and state = 'queued'";
    COMPLETED = "select count(*) from task where id = $1 and lease = $2 and state in ('queued', 'done')";
    FAIL = "update task set state = case when again or (attempts < max_attempts and cast($4 as bigint) is not null) then 'queued' else 'failed' end, attempts = case when again then 0 else attempts end, run_after = coalesce(case when again then cast($5 as bigint) else cast($4 as bigint) end, run_after), again = false, lease = null, lease_until = null, last_error = $3, updated_at = $5 where id = $1 and lease = $2 and state = 'running' returning *";
    NOTE_PROGRESS = "update task set progress = $3 where id = $1 and lease = $2 and state = 'running'";
    TASK_OF_IMAGE = "select * from task where account = $1 and image = $2 order by id desc limit 1";
    TASK = "select * from task where account = $1 and id = $2";
    DELETE_TASKS = "delete from task where account = $1";
    DELETE_OLD_TASKS = "delete from task where id in (select id from task where state in ('done', 'failed') and updated_at < $1 limit $2)";

    BLOB_NAMED = "select count(*) from (select 1 as one from image where analysis = $1 union all select 1 from image where manifest = $1 union all select 1 from layer_fact where blob = $1 union all select 1 from match_cache where blob = $1 union all select 1 from evaluation where result = $1 union all select 1 from import_content where digest = $1 union all select 1 from archived_image where document = $1 union all select 1 from watch_result where result = $1 limit 1) named";
    NAMED_BLOBS = "select digest from (select digest from (select analysis as digest from image where analysis > $1 order by analysis limit $2) n0 union select digest from (select manifest as digest from image where manifest > $1 order by manifest limit $2) n1 union select digest from (select blob as digest from layer_fact where blob > $1 order by blob limit $2) n2 union select digest from (select blob as digest from match_cache where blob > $1 order by blob limit $2) n3 union select digest from (select result as digest from evaluation where result > $1 order by result limit $2) n4 union select digest from (select digest as digest from import_content where digest > $1 order by digest limit $2) n5 union select digest from (select document as digest from archived_image where document > $1 order by document limit $2) n6 union select digest from (select result as digest from watch_result where result > $1 order by result limit $2) n7) named order by digest limit $2";
    PUT_BLOB = "insert into blob (digest, packed, written_at) values ($1, $2, $3) on conflict (digest) do update set packed = excluded.packed, written_at = excluded.written_at";
    BLOB = "select packed from blob where digest = $1 and length(packed) <= cast($2 as bigint)";
    BLOB_SIZE = "select cast(length(packed) as bigint) from blob where digest = $1";
    BLOBS_BETWEEN = "select digest, written_at from blob where digest >= $1 and digest < $2";
    DELETE_BLOB = "delete from blob where digest = $1 and written_at < $2";
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::{Executor as _, SqlSafeStr as _};

    use super::STATEMENTS;
    use crate::sql::Pool;
    use crate::{Settings, Store, postgres};

    fn settings(dir: &Path, url: Option<String>) -> Settings {
        Settings {
            data_dir: dir.to_owned(),
            database_url: url.map(Into::into),
            secret: None,
            blobs: crate::blobs::BlobsAt::Folder,
            max_connections: 2,
            patience: std::time::Duration::ZERO,
        }
    }

    async fn prepare_all(url: Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&settings(dir.path(), url)).await.unwrap();
        let other = if matches!(store.pool, Pool::Sqlite { .. }) { "_POSTGRES" } else { "_SQLITE" };
        for (name, sql) in STATEMENTS.iter().filter(|(name, _)| !name.ends_with(other)) {
            let done = read!(store.pool, db => db.prepare(sql.into_sql_str()).await.map(drop));
            assert!(done.is_ok(), "{name}: {done:?}");
        }
    }

    /// What is asked of a large store finds its rows by the index that is made for it.
    #[tokio::test]
    async fn lookups_use_their_index() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&settings(dir.path(), None)).await.unwrap();
        let Pool::Sqlite { read, .. } = &store.pool else { panic!("it is SQLite") };
        for (name, index) in [
            ("ACTIVE_SUBSCRIPTIONS", "subscription_key (account=? AND key=?)"),
            ("ALERTS", "alert_of_account"),
            ("ALERTS_OF_TAG", "alert_of_tag"),
            ("AUDIT", "audit_account"),
            ("BLOCKS_OF_ACCOUNT_SQLITE", "PRIMARY KEY (package_id=? AND account=?)"),
            ("BLOCKS_SQLITE", "PRIMARY KEY (package_id=?)"),
            ("CARRIED_SQLITE", "PRIMARY KEY (image_id=? AND package_id=?)"),
            ("CARRIERS_SQLITE", "INTEGER PRIMARY KEY (rowid=?)"),
            ("CHILDREN_OF_TAG", "image_tag_name"),
            ("CHILDREN_OF_TAG", "image_tag_digest (account=? AND digest=?)"),
            ("CLOSE_ALERT", "INTEGER PRIMARY KEY (rowid=?)"),
            ("CLOSE_UNSUBSCRIBED_ALERT", "alert_open"),
            ("DEACTIVATE_SUBSCRIPTIONS", "subscription_key (account=? AND key=?)"),
            ("DELETE_OLD_ALERTS", "alert_closed"),
            ("DELETING_IMAGES", "image_deleting"),
            ("DUE_WATCHES", "watch_due (type=? AND due_at<?)"),
            ("FORGET_UNCARRIED", "PRIMARY KEY (package_id=? AND account=? AND block=?)"),
            ("HASTEN_CARRIERS_SQLITE", "INTEGER PRIMARY KEY (rowid=?)"),
            ("HASTEN_IMAGE", "image_tag_digest (account=? AND digest=?)"),
            ("HASTEN_IMAGE", "sqlite_autoindex_watch_1"),
            ("HASTEN_TASK", "task_dedupe"),
            ("HASTEN_WATCHES", "watch_due (type=? AND due_at>? AND due_at<?)"),
            ("UNWATCH", "sqlite_autoindex_watch_1"),
            ("IMAGES_BY_TAG", "image_tag_name"),
            ("IMAGES_BY_TAG", "sqlite_autoindex_image_1 (account=? AND digest=?)"),
            ("IMAGES_BY_DIGEST", "sqlite_autoindex_image_1 (account=? AND digest>?)"),
            ("IMAGE_WITH_TAGS_SQLITE", "image_tag_digest (account=? AND digest=?)"),
            ("IMAGES_OF_INDEX", "PRIMARY KEY (account=? AND index_digest=?)"),
            ("IMAGES_OF_INDEX", "image_index (account=? AND index_digest=?)"),
            ("IMAGE_BY_ANY_DIGEST", "PRIMARY KEY (account=? AND index_digest=?)"),
            ("IMAGE_BY_ANY_DIGEST", "sqlite_autoindex_image_1 (account=? AND digest=?)"),
            ("IMAGE_BY_CONFIG", "image_config (account=? AND config_digest=?)"),
            ("LAST_ALERT", "alert_of_tag"),
            ("LATEST_OF_TAG", "image_tag_name"),
            ("MOVE_ALERT", "alert_open"),
            ("ONLY_CHILDREN", "image_tag_digest (account=? AND digest=?)"),
            ("ONLY_CHILDREN", "PRIMARY KEY (account=? AND index_digest=?)"),
            ("OPEN_ALERTS", "alert_open_of_account"),
            ("OTHERS_OF_TAG", "image_tag_name"),
            ("PLACES_OF_IMAGE", "index_image_image (image_id=?)"),
            ("PRUNE_PACKAGES", "PRIMARY KEY (package_id=?)"),
            ("UNCARRY", "PRIMARY KEY (package_id=? AND account=? AND block=?)"),
        ] {
            let (_, sql) = STATEMENTS.iter().find(|(known, _)| *known == name).unwrap();
            let explained = sqlx::AssertSqlSafe(format!("explain query plan {sql}"));
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(read).await.unwrap();
            let plan: Vec<String> = plan.into_iter().map(|(_, _, _, step)| step).collect();
            let finds = |step: &&String| {
                step.ends_with(&format!("INDEX {index}"))
                    || step.contains(&format!("INDEX {index} ("))
                    || (index.contains("PRIMARY KEY") && step.ends_with(index))
            };
            assert!(plan.iter().any(|step| finds(&step)), "{name}: {plan:#?}");
            // An index made for the one question means that rows are gone through for it.
            assert!(!plan.iter().any(|step| step.contains("AUTOMATIC")), "{name}: {plan:#?}");
            // What was found before may be gone through, and all that a partial index has.
            let found_before = ["SCAN of_tag", "SCAN t", "SCAN (subquery", "SCAN json_each"];
            let is_fine = |step: &&String| finds(step) || found_before.iter().any(|known| step.starts_with(known));
            let scans = plan.iter().filter(|step| step.starts_with("SCAN "));
            let scanned: Vec<_> = scans.filter(|step| !is_fine(step)).collect();
            assert!(scanned.is_empty(), "{name}: {plan:#?}");
        }
    }

    #[tokio::test]
    async fn sqlite_prepares_every_statement() {
        prepare_all(None).await;
    }

    #[tokio::test]
    async fn postgresql_prepares_every_statement() {
        prepare_all(Some(postgres::database().await)).await;
    }
}
