//! This document, and the page that shows it.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, ResponseBuilder};

use super::super::operation::{Access, Operation, get};
use crate::wire::kinds::Name;

const TAG: &str = "Documentation";

pub(super) fn operations() -> Vec<Operation> {
    let content = |kind: Type| {
        ContentBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind)))
            .build()
    };
    let text = || content(Type::String);
    vec![
        get("/openapi.json", "document", "This document (OpenAPI 3.1)")
            .tag(TAG)
            .access(Access::Reader)
            .response(
                200,
                ResponseBuilder::new()
                    .description("The document.")
                    .content("application/json", content(Type::Object)),
            ),
        get("/docs", "documentationPage", "A page that shows this document")
            .tag(TAG)
            .access(Access::Reader)
            .response(
                200,
                ResponseBuilder::new()
                    .description("The page.")
                    .content("text/html", text()),
            ),
        get("/docs/{file}", "documentationFile", "What the page is made of")
            .tag(TAG)
            .access(Access::Reader)
            .path::<Name>("file", "The name of a script, a style sheet or an icon.")
            .response(
                200,
                ResponseBuilder::new()
                    .description("The file.")
                    .content("text/javascript", text())
                    .content("text/css", text())
                    .content("text/html", text())
                    .content("image/png", text()),
            ),
    ]
}
