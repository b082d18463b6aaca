//! A server on a free port with routes of its own, and a client that says exactly what it is told.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use countersign::config::Config;
use countersign::endpoint::at;
use countersign::error::ApiError;
use countersign::extract::{Body, Credential, Fields};
use countersign::server::Server;
use countersign::service::{application, start_engine};
use countersign_actors::clock::SystemClock;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Semaphore;

pub(crate) use crate::client::{Answer, Client};

/// A server that stops with the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    /// One permit lets one request to `/wait` go on; each such request first adds one to the other.
    pub(crate) gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
    _data: TempDir,
}

pub(crate) struct Gate {
    pub(crate) open: Semaphore,
    pub(crate) arrivals: mpsc::SyncSender<()>,
}

impl Running {
    /// Waits until the server has stopped by itself.
    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gate.open.add_permits(1_000);
        drop(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts a server with changed settings; the receiver tells each arrival at `/wait`.
pub(crate) fn start(change: impl FnOnce(&mut Config)) -> (Running, mpsc::Receiver<()>) {
    let mut config = Config::default();
    config.server.port = 0;
    config.server.workers = 1;
    let data = tempfile::tempdir().unwrap();
    config.storage.data_dir = data.path().to_owned();
    config.storage.disk_free_min_mib = 0;
    change(&mut config);
    let (arrivals, arrived) = mpsc::sync_channel(1_000);
    let gate = Arc::new(Gate {
        open: Semaphore::new(0),
        arrivals,
    });
    let (started, serving) = mpsc::channel();
    let shared = Arc::clone(&gate);
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let engine = start_engine(&config, Arc::new(SystemClock), drop).unwrap();
            let routes = application(&config, engine);
            let configure = move |app: &mut ServiceConfig| {
                test_routes(app, &shared);
                routes(app);
            };
            let server = Server::bind(&config, configure).unwrap();
            let handle = server.handle();
            let announce = move |addresses: &[SocketAddr]| {
                started.send((addresses[0], handle)).unwrap();
                Ok(())
            };
            server.run_until_stopped(announce).await.unwrap();
        });
    });
    let (address, handle) = serving.recv().unwrap();
    (
        Running {
            address,
            handle,
            gate,
            thread: Some(thread),
            _data: data,
        },
        arrived,
    )
}

/// A server with default settings.
pub(crate) fn default_server() -> Running {
    start(|_| {}).0
}

fn test_routes(app: &mut ServiceConfig, gate: &Arc<Gate>) {
    let gate = web::Data::from(Arc::clone(gate));
    app.app_data(gate).service(at("/wait").get(wait));
    for prefix in ["/test", "/api/v1/test"] {
        let scope = web::scope(prefix)
            .service(at("/echo").post(echo).get(query).delete(optional))
            .service(at("/form").post(form))
            .service(at("/batch").post(batch))
            .service(at("/things/{id}").get(thing))
            .service(at("/panic").get(panic_at_once).post(panic_with_body))
            .service(at("/foreign").get(foreign));
        app.service(scope);
    }
}

async fn wait(gate: web::Data<Gate>) -> HttpResponse {
    gate.arrivals.send(()).unwrap();
    gate.open.acquire().await.unwrap().forget();
    HttpResponse::Ok().finish()
}

async fn echo(request: HttpRequest, body: Body) -> Result<HttpResponse, ApiError> {
    let credential = matches!(Credential::of(&request)?, Credential::Bearer(_));
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let name = fields.required_text("name");
    let count = fields.optional_integer("count", 1..=10_u8);
    let answer = fields.finish(|| Some(json!({"name": name?, "count": count, "credential": credential})))?;
    Ok(HttpResponse::Ok().json(answer))
}

async fn query(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut query = Fields::from_query(request.query_string())?;
    let limit = query.optional_integer("limit", 1..=200_u8);
    let answer = query.finish(|| Some(json!({"limit": limit})))?;
    Ok(HttpResponse::Ok().json(answer))
}

async fn optional(body: Body) -> Result<HttpResponse, ApiError> {
    let content = body.json_or_empty().await?;
    let mut fields = content.fields()?;
    let reason = fields.optional_text("reason");
    Ok(HttpResponse::Ok().json(fields.finish(|| Some(json!({"reason": reason})))?))
}

async fn form(body: Body) -> Result<HttpResponse, ApiError> {
    let content = body.json_or_form().await?;
    let mut fields = content.fields()?;
    let token = fields.required_text("token");
    Ok(HttpResponse::Ok().json(fields.finish(|| Some(json!({"token": token?})))?))
}

async fn batch(body: Body) -> Result<HttpResponse, ApiError> {
    body.batch_json().await?.fields()?;
    Ok(HttpResponse::Ok().finish())
}

async fn thing(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let id = countersign::extract::path_uuid(&request, "id", |text| uuid::Uuid::try_parse(text).ok())?;
    Ok(HttpResponse::Ok().json(json!({"id": id})))
}

#[expect(clippy::panic, reason = "what this route is for")]
async fn panic_at_once() -> HttpResponse {
    panic!("a secret that must not reach the answer")
}

#[expect(clippy::panic, reason = "what this route is for")]
async fn panic_with_body(_body: Body) -> HttpResponse {
    tokio::task::yield_now().await;
    let quoted = String::from("quoted");
    panic!("a {quoted} secret that must not reach the answer or the log")
}

async fn foreign() -> Result<HttpResponse, actix_web::Error> {
    Err(actix_web::error::ErrorUnprocessableEntity(
        "an inner text that must not reach the answer",
    ))
}

impl Answer {
    /// Asserts the problem form and returns the code.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert!(body["title"].is_string() && body["detail"].is_string());
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["type"], format!("urn:countersign:problem:{code}"));
        code
    }

    /// Asserts the envelope and returns the code.
    pub(crate) fn envelope(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["success"], false);
        assert!(body["error"]["message"].is_string());
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn connect(server: &Running) -> Self {
        Self::open(server.address).unwrap()
    }
}

impl<S: Read + Write> Client<S> {
    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request with `Host: localhost` and further header lines.
    pub(crate) fn request(&mut self, line: &str, headers: &[&str], body: &str) -> Answer {
        self.exchange(line, headers, body).unwrap()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[], "")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.request(&format!("POST {path}"), &["Content-Type: application/json"], body)
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.answer_without_body();
        self.read_body(&mut answer).unwrap();
        answer
    }

    pub(crate) fn answer_without_body(&mut self) -> Answer {
        self.read_head().unwrap()
    }

    /// Whether the server has closed the connection; waits until it says something.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.stream.read(&mut [0]).unwrap() == 0
    }
}
