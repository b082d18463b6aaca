//! Lists that the service answers page by page.

use std::error::Error;

use serde_json::Value;

use super::progress::Progress;
use super::service::{Call, Service, ServiceError};

/// Shows each item of a list, those of a page before the next page is asked for.
///
/// `list` makes the call for the page behind a cursor, `ask` carries it out, and `member` is where the items stand in what comes back.
pub(super) fn each(
    service: &Service,
    member: &str,
    list: impl Fn(Option<&str>) -> Call,
    ask: impl Fn(&Service, &Call) -> Result<Value, ServiceError>,
    show: impl Fn(&Value) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut cursor: Option<String> = None;
    loop {
        let call = list(cursor.as_deref());
        let progress = Progress::start(format!("asking for {member}"));
        let page = ask(service, &call)?;
        drop(progress);
        let items = page.get(member).and_then(Value::as_array);
        for item in items.ok_or_else(|| service.foreign(&call))? {
            show(item)?;
        }
        let next = page.get("cursor").and_then(Value::as_str).map(str::to_owned);
        // A cursor that does not move would never end.
        if next.is_none() || next == cursor {
            return Ok(());
        }
        cursor = next;
    }
}
