//! Which images carry which packages: the inverted index.
//!
//! A package has, by account, a row for every 64 consecutive numbers of images, with a bit for each. So images are
//! counted, and those of several packages united, a row and not an image at a time. Only an image that is linked to its
//! packages has bits, so that they are found again when it goes.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use killick_model::digest::Digest;

use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

/// Images of a row.
const BLOCK: i64 = 64;

/// Images of which a page is found by sorting them all, and no more.
const SORTED: usize = 10_000;

/// Images whose watches one statement makes due.
const HASTENED: usize = 10_000;

row! {
    /// An image that carries some of the packages that were asked for.
    pub struct Carrier {
        /// Its number.
        pub id: i64,
        /// The manifest digest of the image.
        pub digest: Digest,
        /// The image id of container runtimes.
        pub config_digest: Digest,
        /// The image id that somebody gave an imported image.
        pub given_id: Option<String>,
        /// When it was analyzed.
        pub analyzed_at: Option<i64>,
    }
}

/// Some of the images that carry packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carriers {
    /// By digest.
    pub images: Vec<Carrier>,
    /// How many there are in all.
    pub total: usize,
}

/// A note of which advisory index is followed.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'n> {
    /// The setting that it is.
    pub key: &'n str,
    /// What it says now; empty where it says nothing.
    pub before: &'n str,
    /// What it will say.
    pub value: &'n str,
}

row! {
    /// A package of an image.
    pub struct Carried {
        /// The number of the image.
        pub image_id: i64,
        /// The number of the package.
        pub package_id: i64,
    }
}

/// The rows in which an image is, and its bit there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: i64,
    pub(crate) bit: i64,
}

impl Place {
    /// That of the image of this number.
    pub(crate) fn of(image: i64) -> Self {
        Self { block: image.div_euclid(BLOCK), bit: 1 << image.rem_euclid(BLOCK) }
    }
}

/// Lets nobody else write rows of the images around one until the transaction ends: two that write those of many packages
/// would wait for each other. SQLite has one writer anyway. It comes after the row of the image and before its
/// subscriptions.
macro_rules! lock_carriers_in {
    ($pool:expr, $tx:ident, $place:expr, $doing:expr) => {
        if let $crate::sql::Pool::Postgres(_) = &$pool {
            sqlx::query($crate::statements::LOCK_CARRIERS_POSTGRES)
                .bind($place.block)
                .execute(&mut *$tx)
                .await
                .during($doing)?;
        }
    };
}

/// Makes an image that is not going away one of those that carry its packages, inside a transaction.
macro_rules! carry_in {
    ($pool:expr, $tx:ident, $account:expr, $image:expr) => {{
        const CARRYING: &str = "noting who carries packages";
        let (account, image): (&str, i64) = ($account, $image);
        let place = $crate::carriers::Place::of(image);
        lock_carriers_in!($pool, $tx, place, CARRYING);
        sqlx::query($crate::statements::CARRY)
            .bind(image)
            .bind(account)
            .bind(place.block)
            .bind(place.bit)
            .execute(&mut *$tx)
            .await
            .during(CARRYING)?;
    }};
}

/// Makes an image none of those that carry its packages, inside a transaction.
macro_rules! uncarry_in {
    ($pool:expr, $tx:ident, $account:expr, $image:expr) => {{
        const UNCARRYING: &str = "noting who carries packages no more";
        let (account, image): (&str, i64) = ($account, $image);
        let place = $crate::carriers::Place::of(image);
        lock_carriers_in!($pool, $tx, place, UNCARRYING);
        for (statement, bits) in [($crate::statements::UNCARRY, !place.bit), ($crate::statements::FORGET_UNCARRIED, 0)]
        {
            sqlx::query(statement)
                .bind(image)
                .bind(account)
                .bind(place.block)
                .bind(bits)
                .execute(&mut *$tx)
                .await
                .during(UNCARRYING)?;
        }
    }};
}

impl Store {
    /// The account's images that carry any of these packages: how many there are, and so many of them, by digest, from
    /// the one of that number on. An image of which a further analysis is under way, or failed, is told by what was found
    /// last.
    pub async fn carriers(&self, account: &str, packages: &[i64], limit: usize, offset: usize) -> Result<Carriers> {
        self.carriers_from(account, packages, "", limit, offset).await
    }

    /// The account's images that carry any of these packages, by digest: those after `after`, at most so many.
    pub async fn carriers_after(
        &self,
        account: &str,
        packages: &[i64],
        after: &str,
        limit: usize,
    ) -> Result<Vec<Carrier>> {
        Ok(self.carriers_from(account, packages, after, limit, 0).await?.images)
    }

    async fn carriers_from(
        &self,
        account: &str,
        packages: &[i64],
        after: &str,
        limit: usize,
        offset: usize,
    ) -> Result<Carriers> {
        let blocks = self.blocks(Some(account), packages).await?;
        let total = blocks.values().map(|images| images.count_ones() as usize).sum();
        let (numbers, offset) = if total <= SORTED {
            (numbers(&blocks).collect(), offset)
        } else {
            (self.walked(account, &blocks, after, limit, offset).await?, 0)
        };
        let statement = self.pool.either(sql::CARRIERS_SQLITE, sql::CARRIERS_POSTGRES);
        let numbers = listed(&numbers);
        let [limit, offset] = [limit, offset].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let images = read!(self.pool, db => sqlx::query_as(statement).bind(account).bind(numbers).bind(limit).bind(offset)
            .bind(after).fetch_all(db).await);
        Ok(Carriers { images: images.during("listing images of packages")?, total })
    }

    /// The numbers of a page of the images of some blocks, by digest: found by going through the account's images in that
    /// order.
    async fn walked(
        &self,
        account: &str,
        blocks: &BTreeMap<i64, u64>,
        after: &str,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<i64>> {
        let (mut page, mut passed) = (Vec::new(), 0);
        read!(self.pool, db => {
            let mut all = sqlx::query_scalar::<_, i64>(sql::IMAGES_BY_DIGEST).bind(account).bind(after).fetch(db);
            while page.len() < limit
                && let Some(image) = all.try_next().await.during("listing images of packages")?
            {
                let place = Place::of(image);
                if blocks.get(&place.block).is_some_and(|images| images & place.bit.cast_unsigned() != 0) {
                    passed += 1;
                    if passed > offset {
                        page.push(image);
                    }
                }
            }
        });
        Ok(page)
    }

    /// Which of these packages each of these images carries, by their numbers.
    pub async fn carried(&self, images: &[i64], packages: &[i64]) -> Result<Vec<Carried>> {
        let statement = self.pool.either(sql::CARRIED_SQLITE, sql::CARRIED_POSTGRES);
        let (images, packages) = (listed(images), listed(packages));
        read!(self.pool, db => sqlx::query_as(statement).bind(images).bind(packages).fetch_all(db).await)
            .during("listing packages of images")
    }

    /// Notes which advisory index is followed, and makes the watches of a type due at once whose tag points, or pointed, to
    /// an image that carries any of these packages, or all of them: in one transaction, so that nobody looks by the
    /// one without the other. How many became due; nothing, if another index was noted meanwhile.
    pub async fn follow_index(
        &self,
        kind: &str,
        packages: Option<&[i64]>,
        noted: Noted<'_>,
        now: i64,
    ) -> Result<Option<u64>> {
        const DOING: &str = "following an advisory index";
        let statement = self.pool.either(sql::HASTEN_CARRIERS_SQLITE, sql::HASTEN_CARRIERS_POSTGRES);
        let images: Option<Vec<i64>> = match packages {
            Some(packages) => Some(numbers(&self.blocks(None, packages).await?).collect()),
            None => None,
        };
        Ok(transaction!(self.pool, tx => {
            let moved = sqlx::query(sql::MOVE_SETTING).bind(noted.key).bind(noted.value).bind(noted.before)
                .execute(&mut *tx).await.during(DOING)?.rows_affected();
            if moved == 0 {
                return Ok(None);
            }
            lock_watches_in!(self.pool, tx, DOING);
            let mut hastened = 0;
            if let Some(images) = &images {
                for images in images.chunks(HASTENED) {
                    hastened += sqlx::query(statement).bind(kind).bind(now).bind(listed(images)).execute(&mut *tx).await
                        .during(DOING)?.rows_affected();
                }
            } else {
                hastened += sqlx::query(sql::HASTEN_WATCHES).bind(kind).bind(None::<&str>).bind(now).execute(&mut *tx).await
                    .during(DOING)?.rows_affected();
            }
            Some(hastened)
        }))
    }

    /// The images, of an account or of all, that carry any of these packages: bits by block.
    async fn blocks(&self, account: Option<&str>, packages: &[i64]) -> Result<BTreeMap<i64, u64>> {
        let statement = match account {
            Some(_) => self.pool.either(sql::BLOCKS_OF_ACCOUNT_SQLITE, sql::BLOCKS_OF_ACCOUNT_POSTGRES),
            None => self.pool.either(sql::BLOCKS_SQLITE, sql::BLOCKS_POSTGRES),
        };
        let packages = listed(packages);
        let mut blocks: BTreeMap<i64, u64> = BTreeMap::new();
        read!(self.pool, db => {
            let mut rows = sqlx::query_as(statement).bind(packages);
            if let Some(account) = account {
                rows = rows.bind(account);
            }
            let mut rows = rows.fetch(db);
            while let Some((block, images)) = rows.try_next().await.during("looking up who carries packages")? {
                let images: i64 = images;
                *blocks.entry(block).or_default() |= images.cast_unsigned();
            }
        });
        Ok(blocks)
    }
}

/// The numbers of the images of some blocks, ascending.
fn numbers(blocks: &BTreeMap<i64, u64>) -> impl Iterator<Item = i64> {
    blocks.iter().flat_map(|(block, images)| {
        (0..BLOCK).filter(move |at| images >> at & 1 == 1).map(move |at| block * BLOCK + at)
    })
}

/// Numbers as one parameter.
fn listed(numbers: &[i64]) -> String {
    serde_json::Value::from(numbers).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_where_they_were_put() {
        let all = [1, 63, 64, 127, 128, 640_000, 640_063];
        let mut blocks: BTreeMap<i64, u64> = BTreeMap::new();
        for image in all {
            let place = Place::of(image);
            *blocks.entry(place.block).or_default() |= place.bit.cast_unsigned();
        }
        assert_eq!(blocks.len(), 4);
        assert_eq!(numbers(&blocks).collect::<Vec<_>>(), all);
    }

    /// However a page is found, it is the same.
    #[tokio::test]
    async fn pages_are_walked_by_digest() {
        const FILL: &str = "
            insert into account (name, type, state, created_at, updated_at)
                values ('a', 'user', 'enabled', 1, 1), ('b', 'user', 'enabled', 1, 1);
            with recursive n (i) as (select 1 union all select i + 1 from n where i < 300)
            insert into image (account, digest, config_digest, analysis_status, image_status, annotations, size_bytes,
                    architecture, distro, distro_version, layer_count, dockerfile_mode, created_at, updated_at)
                select case when i % 5 = 0 then 'b' else 'a' end, cast(i * 7919 % 1000 as text), '', 'analyzed', 'active', '{}',
                    1, '', '', '', 1, '', i, i from n;";
        let dir = tempfile::tempdir().unwrap();
        let settings = crate::Settings {
            data_dir: dir.path().to_owned(),
            database_url: None,
            secret: None,
            blobs: crate::blobs::BlobsAt::Folder,
            max_connections: 2,
            patience: std::time::Duration::ZERO,
        };
        let store = Store::open(&settings).await.unwrap();
        write!(store.pool, db => sqlx::raw_sql(FILL).execute(db).await.map(drop)).unwrap();
        // Every third image carries it.
        let mut blocks: BTreeMap<i64, u64> = BTreeMap::new();
        for image in (3..=300).step_by(3) {
            let place = Place::of(image);
            *blocks.entry(place.block).or_default() |= place.bit.cast_unsigned();
        }
        let sorted = "select id from image where account = 'a' and id % 3 = 0 order by digest";
        let all: Vec<i64> = read!(store.pool, db => sqlx::query_scalar(sorted).fetch_all(db).await).unwrap();
        assert_eq!(all.len(), 80);
        for (limit, offset) in [(usize::MAX, 0), (10, 0), (10, 75), (10, 80), (0, 0), (1, 79)] {
            let page = store.walked("a", &blocks, "", limit, offset).await.unwrap();
            let want: Vec<i64> = all.iter().copied().skip(offset).take(limit).collect();
            assert_eq!(page, want, "{limit} from {offset}");
        }
        let digest = read!(store.pool, db => sqlx::query_scalar("select digest from image where id = $1").bind(all[9])
            .fetch_one(db).await);
        let digest: String = digest.unwrap();
        assert_eq!(store.walked("a", &blocks, &digest, 10, 0).await.unwrap(), all[10..20], "after another");
    }
}
