//! `GET /admin/backup`: all customers as a stream.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::rt::task::spawn_blocking;
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::unfold;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::app::App;
use crate::error::ApiError;
use crate::identity::Identity;

/// Bytes that travel together.
const PART_BYTES: usize = 64 * 1024;
/// Parts that wait for the client.
const PARTS_MAX: usize = 4;
/// A client that takes nothing for so long gets no more.
const STALLED: Duration = Duration::from_secs(60);

/// `GET /admin/backup`: a backup of all customers, consistent for each, while everything goes on. Only a stream that ends well is a
/// whole backup.
///
/// # Errors
/// 403 for any but the operator; 409 while another backup is being taken.
pub async fn backup(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of(&request, &app).await?.require_operator(&app).await?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("application/octet-stream")
        .insert_header(("content-disposition", "attachment; filename=\"countersign.backup\""));
    if request.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    let taking = app.backups.begin().ok_or_else(|| {
        let detail = "another backup is being taken; ask again when it is done";
        ApiError::new(
            StatusCode::CONFLICT,
            "backup_in_progress",
            "A backup is in progress",
            detail,
        )
    })?;
    let (parts, taken) = channel(PARTS_MAX);
    let engine = app.engine.clone();
    let out = Parts {
        parts: parts.clone(),
        part: BytesMut::new(),
        runtime: Handle::current(),
    };
    // Nobody waits for its end but whoever reads the stream.
    drop(spawn_blocking(move || {
        match engine.backup(out) {
            Ok(counts) => {
                tracing::info!(
                    customers = counts.customers,
                    events = counts.events,
                    "a backup was taken"
                );
            }
            Err(error) => {
                tracing::error!(%error, "a backup was not taken to its end");
                let broken = io::Error::other("the backup was not taken to its end");
                // If nobody takes it, the client is gone.
                let _ = parts.blocking_send(Err(broken));
            }
        }
        drop(taking);
    }));
    Ok(answer.streaming(unfold(taken, next_part)))
}

async fn next_part(mut taken: Receiver<io::Result<Bytes>>) -> Option<(io::Result<Bytes>, Receiver<io::Result<Bytes>>)> {
    let part = taken.recv().await?;
    Some((part, taken))
}

/// What is written, in parts that wait for the client one by one.
struct Parts {
    parts: Sender<io::Result<Bytes>>,
    part: BytesMut,
    runtime: Handle,
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = self.part.split().freeze();
        let sent = self.runtime.block_on(self.parts.send_timeout(Ok(part), STALLED));
        sent.map_err(|_| io::Error::new(ErrorKind::BrokenPipe, "the client is gone, or takes nothing"))
    }
}
