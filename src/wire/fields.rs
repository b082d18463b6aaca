//! Fields that many requests have.

use countersign_actors::limits::{PAGE_DEFAULT, PAGE_MAX, REASON_CHARS_MAX};

use crate::extract::Fields;

/// Takes `reason`.
pub fn reason(fields: &mut Fields<'_>) -> Option<Box<str>> {
    fields.optional_parsed("reason", |text| {
        if text.chars().count() > REASON_CHARS_MAX {
            Err(format!("must have at most {REASON_CHARS_MAX} characters"))
        } else {
            Ok(text.into())
        }
    })
}

/// Takes `limit`, the number of entries of a page.
pub fn limit(fields: &mut Fields<'_>) -> usize {
    fields
        .optional_integer("limit", 1..=PAGE_MAX as i64)
        .and_then(|limit| limit.try_into().ok())
        .unwrap_or(PAGE_DEFAULT)
}
