//! `/api/v1/permissions/audit`: what changed and what was decided within the last 90 days.

use actix_web::web::{Bytes, Data, block};
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::engine::{AuditCursor, AuditQuery, AuditSlice, Engine};
use countersign_actors::id::CustomerId;
use countersign_actors::limits::{PAGE_DEFAULT, PAGE_MAX};
use countersign_actors::permissions::audit::Kind;
use countersign_actors::token::Scope;
use futures_util::stream::try_unfold;

use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Fields, Form};
use crate::rate_limit::Class;
use crate::wire::permissions::{AuditAnswer, AuditEntryAnswer, success};

async fn admit(request: &HttpRequest, app: &App) -> Result<ApiKey, ApiError> {
    ApiKey::admit(request, app, Class::Audit, Some(Scope::PermissionsAudit)).await
}

/// `GET /api/v1/permissions/audit`: changes and decisions, the newest first.
///
/// # Errors
/// Of the key and the parameters.
pub(super) async fn list(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    page(&request, &app, |_| true).await
}

/// `GET /api/v1/permissions/audit/changes`: changes, the newest first.
///
/// # Errors
/// Of the key and the parameters.
pub(super) async fn changes(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    page(&request, &app, |kind| kind == Kind::Change).await
}

async fn page(request: &HttpRequest, app: &App, wanted: fn(Kind) -> bool) -> Result<HttpResponse, ApiError> {
    let key = admit(request, app).await?;
    let mut query = Fields::from_query(request.query_string())?.in_form(Form::Permissions);
    let limit = query.optional_integer("limit", 1..=PAGE_MAX);
    let after = query.optional_parsed("cursor", |text| {
        AuditCursor::parse(text).ok_or("must be the cursor of an earlier answer")
    });
    query.finish(|| Some(()))?;
    let query = AuditQuery {
        newest_first: true,
        limit: limit.unwrap_or(PAGE_DEFAULT),
        ..window(&app.engine, after)
    };
    let page = read(app.engine.clone(), key.customer(), query, wanted).await?;
    success(AuditAnswer {
        entries: page.entries.iter().map(AuditEntryAnswer::of).collect(),
        cursor: page.next.map(|cursor| cursor.text()),
    })
}

fn window(engine: &Engine, after: Option<AuditCursor>) -> AuditQuery {
    AuditQuery {
        from: engine.audit_from(),
        after,
        newest_first: false,
        limit: PAGE_MAX,
    }
}

/// Reads a page on a thread that may wait for the disk.
async fn read(
    engine: Engine,
    customer: CustomerId,
    query: AuditQuery,
    wanted: fn(Kind) -> bool,
) -> Result<AuditSlice, ApiError> {
    let read = block(move || {
        let keep = |action: &str| Kind::of_action(action).is_some_and(wanted);
        engine.audit_page(customer, &query, |entry| keep(&entry.action))
    });
    let page = read.await.map_err(|_| ApiError::overloaded())??;
    Ok(page)
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

impl Format {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err("must be `json` or `csv`"),
        }
    }
}

/// An export in progress: a page is read when the one before has been taken.
struct Export {
    engine: Engine,
    customer: CustomerId,
    format: Format,
    /// The next page; `None` behind the last.
    next: Option<AuditQuery>,
    is_first: bool,
    has_entries: bool,
}

/// `GET /api/v1/permissions/audit/export?format=json|csv`: all of it, the oldest first, sent page by page.
///
/// # Errors
/// Of the key and the parameters. What fails later breaks the transfer off.
pub(super) async fn export(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let mut query = Fields::from_query(request.query_string())?.in_form(Form::Permissions);
    let format = query.optional_parsed("format", Format::parse);
    query.finish(|| Some(()))?;
    let export = Export {
        engine: app.engine.clone(),
        customer: key.customer(),
        format: format.unwrap_or(Format::Json),
        next: Some(window(&app.engine, None)),
        is_first: true,
        has_entries: false,
    };
    let (media, disposition) = match export.format {
        Format::Json => ("application/json", "attachment; filename=\"audit.json\""),
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
    };
    Ok(HttpResponse::Ok()
        .content_type(media)
        .insert_header(("content-disposition", disposition))
        .streaming(try_unfold(export, Export::part)))
}

impl Export {
    async fn part(mut self) -> Result<Option<(Bytes, Self)>, ApiError> {
        let Some(query) = self.next.take() else {
            return Ok(None);
        };
        let page = read(self.engine.clone(), self.customer, query, |_| true).await?;
        let is_last = page.next.is_none();
        let bytes = match self.format {
            Format::Json => self.json_part(&page, is_last)?,
            Format::Csv => csv_part(&page, self.is_first)?,
        };
        self.next = page.next.clone().map(|after| window(&self.engine, Some(after)));
        self.is_first = false;
        // A page may be empty where none of many rows was wanted.
        self.has_entries |= !page.entries.is_empty();
        Ok(Some((bytes.into(), self)))
    }

    /// `{"success":true,"data":{"entries":[…]}}`, in parts.
    fn json_part(&self, page: &AuditSlice, is_last: bool) -> Result<Vec<u8>, ApiError> {
        let mut bytes = Vec::new();
        if self.is_first {
            bytes.extend_from_slice(br#"{"success":true,"data":{"entries":["#);
        }
        for (at, entry) in page.entries.iter().enumerate() {
            if at > 0 || self.has_entries {
                bytes.push(b',');
            }
            serde_json::to_writer(&mut bytes, &AuditEntryAnswer::of(entry)).map_err(|_| ApiError::internal())?;
        }
        if is_last {
            bytes.extend_from_slice(b"]}}");
        }
        Ok(bytes)
    }
}

fn csv_part(page: &AuditSlice, is_first: bool) -> Result<Vec<u8>, ApiError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if is_first {
        writer
            .write_record(AuditEntryAnswer::COLUMNS)
            .map_err(|_| ApiError::internal())?;
    }
    for entry in &page.entries {
        writer
            .write_record(AuditEntryAnswer::of(entry).cells())
            .map_err(|_| ApiError::internal())?;
    }
    writer.into_inner().map_err(|_| ApiError::internal())
}
