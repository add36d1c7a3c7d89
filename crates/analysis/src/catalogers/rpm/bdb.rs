//! `Packages` of rpm before 4.16: a Berkeley DB hash (Berkeley DB source, `dbinc/db_page.h`; written by libdb 4 and 5).
//!
//! The table is not looked up but read through: every bucket page has pairs of key and value, and a value that
//! does not fit lies in a chain of overflow pages. Both byte orders occur.

use std::borrow::Cow;

use super::Each;
use crate::catalogers::pages::{Order, Pages};

const MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER: usize = 26;

/// Page types.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;

/// Item types.
const INLINE: u8 = 1;
const OFF_PAGE: u8 = 3;

/// The byte order, if this is a Berkeley DB hash.
fn order(bytes: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32(bytes, 12) == Some(MAGIC))
}

pub(super) fn is_bdb(bytes: &[u8]) -> bool {
    order(bytes).is_some()
}

/// Hands every header to `each`, in the order of the file; one that cannot be read as its reason.
pub(super) fn headers(bytes: &[u8], each: Each<'_>) -> Result<(), String> {
    let order = order(bytes).ok_or("not a Berkeley DB hash")?;
    let page_size = order.u32(bytes, 20).and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
    if !(512..=65536).contains(&page_size) || !page_size.is_power_of_two() || bytes.get(25) != Some(&HASH_META) {
        return Err("the first page is not that of a hash".to_owned());
    }
    if bytes.get(24) != Some(&0) {
        return Err("the database is encrypted".to_owned());
    }
    let mut pages = Pages::new(bytes, page_size);
    for number in 1..pages.count() {
        let Some(page) = pages.get(number) else { break };
        if matches!(page.get(25), Some(&(HASH | HASH_UNSORTED))) && pages.take(number).is_some() {
            bucket(page, order, &mut pages, each);
        }
    }
    let last = order.u32(bytes, 32).and_then(|last| usize::try_from(last).ok()).unwrap_or_default();
    if last >= pages.count() {
        return Err(format!("cut short: {} of {} pages are there", pages.count(), last.saturating_add(1)));
    }
    Ok(())
}

fn bucket<'a>(page: &'a [u8], order: Order, pages: &mut Pages<'a>, each: Each<'_>) {
    let count = usize::from(order.u16(page, 20).unwrap_or_default());
    let offset = |index: usize| order.u16(page, PAGE_HEADER + 2 * index).map(usize::from);
    // Items lie from the end of the page backwards, so each ends where the one before begins.
    let item = |index: usize| {
        let end = if index == 0 { page.len() } else { offset(index - 1)? };
        page.get(offset(index)?..end)
    };
    for pair in 0..count / 2 {
        let (Some(key), Some(value)) = (item(2 * pair), item(2 * pair + 1)) else {
            each(Err("a bucket has items outside its page".to_owned()));
            return;
        };
        // Key 0 holds the highest number given to a header.
        if key == [INLINE, 0, 0, 0, 0] {
            continue;
        }
        match self::value(value, order, pages) {
            Some(header) => each(Ok(&header)),
            None => each(Err("a header lies in a broken chain of pages".to_owned())),
        }
    }
}

fn value<'a>(item: &'a [u8], order: Order, pages: &mut Pages<'a>) -> Option<Cow<'a, [u8]>> {
    match item.split_first()? {
        (&INLINE, header) => Some(Cow::Borrowed(header)),
        (&OFF_PAGE, _) => {
            let mut next = order.u32(item, 4)?;
            let length = usize::try_from(order.u32(item, 8)?).ok()?;
            let mut header = Vec::new();
            while next != 0 && header.len() < length {
                let page = pages.take(usize::try_from(next).ok()?)?;
                if page.get(25) != Some(&OVERFLOW) {
                    return None;
                }
                let used = usize::from(order.u16(page, 22)?);
                header.extend_from_slice(page.get(PAGE_HEADER..PAGE_HEADER + used)?);
                next = order.u32(page, 16)?;
            }
            header.truncate(length);
            (header.len() == length).then_some(Cow::Owned(header))
        }
        _ => None,
    }
}
