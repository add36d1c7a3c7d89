//! Pages of lists: so many entries, and a cursor for those after them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::input::Query;

/// Entries on a page, unless another number is asked for; and at most.
pub(super) const PAGE: usize = 100;
pub(super) const MAX_PAGE: usize = 1000;

/// Most bytes of a cursor.
const MAX_CURSOR: usize = 8192;

/// `limit`, between 1 and `most`.
pub(super) fn limit(query: &Query, usual: usize, most: usize) -> Result<usize, ApiError> {
    let Some(text) = query.text("limit") else { return Ok(usual) };
    let limit = text.parse::<usize>().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| bad(format!("`limit` must be a number from 1 to {most}")))
}

/// What a cursor stands for: the last entry that was seen. Nothing for the first page.
pub(super) fn after(cursor: Option<&str>) -> Result<String, ApiError> {
    let Some(cursor) = cursor else { return Ok(String::new()) };
    let decoded = (cursor.len() <= MAX_CURSOR).then(|| URL_SAFE_NO_PAD.decode(cursor).ok()).flatten();
    // PostgreSQL takes no text with NUL.
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
    text.ok_or_else(|| bad("`cursor` is not one of this server: begin without one"))
}

/// How many entries are asked for, and after which.
pub(super) fn asked(query: &Query) -> Result<(usize, String), ApiError> {
    Ok((limit(query, PAGE, MAX_PAGE)?, after(query.text("cursor"))?))
}

/// What a cursor of a list by numbers stands for.
pub(super) fn number(query: &Query) -> Result<Option<i64>, ApiError> {
    match after(query.text("cursor"))?.as_str() {
        "" => Ok(None),
        number => Ok(Some(number.parse().map_err(|_| bad("`cursor` is not one of this list: begin without one"))?)),
    }
}

/// A page of so many entries, and the cursor for the next, where there are more; `place` is what a cursor stands for.
pub(super) fn page<T>(mut found: Vec<T>, limit: usize, place: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| cursor(&place(last)));
    (found, next)
}

/// A page of a list that is read whole: the entries after that place, in the order of places.
pub(super) fn page_of<T>(
    mut all: Vec<T>,
    (limit, after): (usize, &str),
    place: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    all.retain(|entry| place(entry).as_str() > after);
    all.sort_by_cached_key(&place);
    page(all, limit, place)
}

/// The cursor for what comes after an entry.
pub(super) fn cursor(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// A segment of a path, for the address of what was made.
pub(super) fn segment(text: &str) -> String {
    // A blank is `+` in forms alone, and digests are read more easily.
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20").replace("%3A", ":")
}

/// What was made, and where it is from now on.
pub(super) fn created(place: &str, record: impl Serialize) -> Response {
    let location = HeaderValue::try_from(place).ok().map(|place| [(header::LOCATION, place)]);
    (StatusCode::CREATED, location, Json(record)).into_response()
}

/// A problem document: the request is wrong.
pub(super) fn bad(detail: impl Into<String>) -> ApiError {
    ApiError::problem(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_before_others_has_a_cursor() {
        for (found, want) in [(0, None), (1, None), (2, None), (3, Some("2")), (9, Some("2"))] {
            let (items, next) = page((1..=found).collect(), 2, i32::to_string);
            assert_eq!(items, (1..=found.min(2)).collect::<Vec<_>>());
            assert_eq!(next, want.map(cursor), "{found}");
        }
    }

    #[test]
    fn lists_that_are_read_whole_come_in_pages() {
        let all = || ["c", "a", "b"].map(str::to_owned).to_vec();
        let (first, next) = page_of(all(), (2, ""), String::clone);
        assert_eq!((first, next), (vec!["a".to_owned(), "b".to_owned()], Some(cursor("b"))));
        assert_eq!(page_of(all(), (2, "b"), String::clone), (vec!["c".to_owned()], None));
        assert_eq!(segment("a b/c:d+"), "a%20b%2Fc:d%2B");
    }

    #[test]
    fn cursors_come_back_and_nothing_else_does() {
        for text in ["", "a", "sha256:00", "ä/ö"] {
            assert_eq!(after(Some(&cursor(text))).unwrap(), text);
        }
        assert_eq!(after(None).unwrap(), "");
        for wrong in ["%", "_w", &"a".repeat(MAX_CURSOR + 1)] {
            assert_eq!(after(Some(wrong)).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
