//! Pages of the answers to queries.

use axum::http::StatusCode;

use crate::api::error::ApiError;
use crate::api::input::Query;

/// What the caller wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    number: usize,
    /// Items on a page; without it, all of them are on the first.
    limit: Option<usize>,
}

/// What the caller sees.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown<T> {
    /// The items of the page.
    pub(super) items: Vec<T>,
    /// The page, as text.
    pub(super) page: String,
    /// The next page, as text, if there is one.
    pub(super) next_page: Option<String>,
    /// Items on all pages.
    pub(super) total_count: usize,
}

impl Page {
    /// `page` and `limit`.
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        let number = |name: &str| query.text(name).map(str::parse::<usize>).transpose();
        let page = number("page").ok().map(|page| page.unwrap_or(1)).filter(|page| *page > 0);
        let limit = number("limit").map_err(|_| {
            let message = "Wrong type, expected 'integer' for query parameter 'limit'";
            ApiError::problem(StatusCode::BAD_REQUEST, message)
        })?;
        match page {
            Some(number) => Ok(Self { number, limit: limit.filter(|limit| *limit > 0) }),
            None => Err(ApiError::bad_request("`page` is not the number of a page: they are counted from 1")),
        }
    }

    /// The items on it, out of all.
    pub(super) fn show<T>(self, items: Vec<T>) -> Shown<T> {
        let (limit, offset) = self.part();
        let total_count = items.len();
        let items = items.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).collect();
        self.shown(items, total_count)
    }

    /// How many items are on it at most, and how many come before it.
    pub(super) const fn part(self) -> (Option<usize>, usize) {
        match self.limit {
            Some(limit) => (Some(limit), (self.number - 1).saturating_mul(limit)),
            None => (None, 0),
        }
    }

    /// It, with the items that are on it, of so many.
    pub(super) fn shown<T>(self, items: Vec<T>, total_count: usize) -> Shown<T> {
        let (Some(limit), start) = self.part() else {
            return Shown { items, page: "1".to_owned(), next_page: None, total_count };
        };
        let has_next = start.saturating_add(limit) < total_count;
        let next_page = has_next.then(|| self.number.saturating_add(1).to_string());
        Shown { items, page: self.number.to_string(), next_page, total_count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: usize, limit: Option<usize>) -> Shown<u8> {
        Page { number, limit }.show(vec![1, 2, 3, 4, 5])
    }

    #[test]
    fn pages_follow_each_other() {
        for (number, limit, items, told, next) in [
            (1, None, &[1, 2, 3, 4, 5][..], "1", None),
            (7, None, &[1, 2, 3, 4, 5], "1", None),
            (1, Some(2), &[1, 2], "1", Some("2")),
            (2, Some(2), &[3, 4], "2", Some("3")),
            (3, Some(2), &[5], "3", None),
            (4, Some(2), &[], "4", None),
            (1, Some(5), &[1, 2, 3, 4, 5], "1", None),
            (usize::MAX, Some(usize::MAX), &[], "18446744073709551615", None),
        ] {
            let shown = page(number, limit);
            assert_eq!((shown.items.as_slice(), shown.page.as_str()), (items, told), "{number} {limit:?}");
            assert_eq!((shown.next_page.as_deref(), shown.total_count), (next, 5), "{number} {limit:?}");
        }
    }
}
