//! Health, and what an operator does to the whole service.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, ResponseBuilder};

use super::super::answers::{ClockConfirmed, Health, Purged, Readiness};
use super::super::operation::{Access, Operation, get, post};
use super::super::refusals::header;
use crate::metrics::page::MEDIA_TYPE;

const TAG: &str = "Health";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/health", "health", "The process lives")
            .tag(TAG)
            .answers::<Health>("It does."),
        get("/ready", "ready", "Requests may be sent here")
            .tag(TAG)
            .told("503 `unavailable` when the journal has failed or the service is stopping: its `reasons` say which.")
            .answers::<Readiness>("They may; and what is amiss, if anything is.")
            .refuses(&["unavailable"]),
        backup(),
        get("/metrics", "metrics", "What was counted since the start")
            .tag(TAG)
            .told("The token for metrics opens this and nothing else.")
            .access(Access::Operator)
            .response(
                200,
                ResponseBuilder::new().description("OpenMetrics text.").content(
                    MEDIA_TYPE.split(';').next().unwrap_or_default(),
                    ContentBuilder::new()
                        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                        .build(),
                ),
            ),
        post(
            "/admin/purge",
            "purge",
            "Forgets what is kept for 90 days, now instead of once a day",
        )
        .tag(TAG)
        .access(Access::Operator)
        .writes()
        .answers::<Purged>("It is forgotten."),
        post(
            "/admin/clock/confirm",
            "confirmClock",
            "Vouches for a clock that has jumped",
        )
        .tag(TAG)
        .access(Access::Operator)
        .answers::<ClockConfirmed>("The clock is trusted."),
    ]
}

fn backup() -> Operation {
    let bytes = ObjectBuilder::new().schema_type(Type::String);
    let content = ContentBuilder::new().schema(Some(bytes)).build();
    get(
        "/admin/backup",
        "backup",
        "A backup of all customers, while everything goes on",
    )
    .tag(TAG)
    .told("Only a stream that ends well is a whole backup.")
    .access(Access::Operator)
    .response(
        200,
        ResponseBuilder::new()
            .description("The backup.")
            .header("Content-Disposition", header("A name for the file."))
            .content("application/octet-stream", content),
    )
    .refuses(&["backup_in_progress"])
}
