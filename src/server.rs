//! Binding, serving and stopping.

use std::future::{Future, poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, rt};
use futures_util::future::{Either, select};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::border::Border;
use crate::config::{Config, Problems};
use crate::error::ApiError;
use crate::extract::BodyLimits;
use crate::serving::Serving;
use crate::tls::Operators;
use crate::traces::export::ExportError;
use tls::{Tls, TlsError};
use unix_socket::UnixSocket;

pub mod tls;
mod unix_socket;

/// Time for a client to take its last answer when we close the connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] Problems),
    /// An address or a socket cannot be bound.
    #[error("cannot bind {place}: {source}")]
    Bind {
        /// The address or path.
        place: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Spans are to be exported and cannot be.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// TLS cannot be served as it is configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server cannot go on.
    #[error("cannot serve: {0}")]
    Serve(#[from] io::Error),
}

/// A server that is bound; connections wait until it runs.
pub struct Server {
    inner: actix_web::dev::Server,
    addresses: Vec<SocketAddr>,
    tls: Option<Arc<Tls>>,
    /// Removed when dropped.
    unix_socket: Option<UnixSocket>,
    on_stop: Box<dyn FnOnce()>,
    serving: Arc<Serving>,
    /// How long to go on serving after a signal.
    drain: Duration,
}

impl Server {
    /// Binds what the configuration names. `configure` is called once per worker: it adds routes and shared data.
    ///
    /// Must be called within an actix system or a tokio runtime.
    ///
    /// # Errors
    /// [`ServeError`] when the configuration is refused or something cannot be bound.
    pub fn bind<F>(config: &Config, configure: F) -> Result<Self, ServeError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        config.check()?;
        let server = &config.server;
        let address = server
            .address()
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], server.port)));
        let serving = Arc::new(Serving::new(config)?);
        let border = Border::new(config, Arc::clone(&serving));
        let known = Data::from(Arc::clone(&serving));
        let limits = BodyLimits::from(server);
        let app = move || {
            App::new()
                .app_data(limits)
                .app_data(known.clone())
                .wrap(border.clone())
                .configure(|app| configure(app))
                .default_service(web::to(|| ready(Err::<HttpResponse, _>(ApiError::route_not_found()))))
        };
        let workers = match server.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let tls = Tls::load(&config.tls)?;
        let operators = Operators::parse(&config.tls.admin_certificates).unwrap_or_default();
        let http = HttpServer::new(app)
            .on_connect(move |connection, extensions| tls::recognise(&operators, connection, extensions))
            .workers(workers)
            .max_connections(server.connections_max.div_ceil(workers))
            .client_request_timeout(Duration::from_secs(server.header_timeout_seconds))
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(Duration::from_secs(server.idle_timeout_seconds))
            .shutdown_timeout(server.shutdown_timeout_seconds)
            .tcp_nodelay(true)
            .tls_handshake_timeout(config.tls.handshake_timeout())
            .max_connection_rate(config.tls.handshakes_max.div_ceil(workers))
            .disable_signals();
        let http = match &tls {
            None => http.bind(address),
            Some(tls) => http.bind_rustls_0_23(address, tls.server_config()?),
        };
        let http = http.map_err(|source| ServeError::Bind {
            place: address.to_string(),
            source,
        })?;
        // Asked before the socket is added, for which actix makes an address up.
        let addresses = http.addrs();
        let (http, unix_socket) = match &server.unix_socket {
            None => (http, None),
            Some(path) => {
                let failed = |source| ServeError::Bind {
                    place: path.display().to_string(),
                    source,
                };
                let (listener, socket) = UnixSocket::bind(path).map_err(failed)?;
                (http.listen_uds(listener).map_err(failed)?, Some(socket))
            }
        };
        Ok(Self {
            inner: http.run(),
            addresses,
            tls,
            unix_socket,
            on_stop: Box::new(|| {}),
            serving,
            drain: Duration::from_secs(server.drain_seconds),
        })
    }

    /// Calls this when a signal stops the server, before requests in progress are waited for.
    #[must_use]
    pub fn on_stop(self, on_stop: impl FnOnce() + 'static) -> Self {
        Self {
            on_stop: Box::new(on_stop),
            ..self
        }
    }

    /// The TCP addresses, with the ports that were really taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The path of the Unix socket, if one is served.
    pub fn unix_socket(&self) -> Option<PathBuf> {
        self.unix_socket.as_ref().map(|socket| socket.path().to_owned())
    }

    /// Stops the server from elsewhere: `handle.stop(true)` drains as a signal does.
    pub fn handle(&self) -> ServerHandle {
        self.inner.handle()
    }

    /// Serves until SIGTERM, SIGINT or [`Self::handle`] stops it, and calls `announce` as soon as it does. After a signal it first
    /// says for the configured time that it is not ready, and goes on serving; then requests in progress get the configured time.
    /// Another signal ends either wait at once.
    ///
    /// # Errors
    /// [`ServeError::Serve`] when the workers cannot start or `announce` fails.
    pub async fn run_until_stopped(
        self,
        announce: impl FnOnce(&[SocketAddr]) -> io::Result<()>,
    ) -> Result<(), ServeError> {
        let mut signals = Signals::listen()?;
        let Self {
            mut inner,
            addresses,
            tls,
            unix_socket,
            on_stop,
            serving,
            drain,
        } = self;
        // Listened to before anybody is told that it runs: a signal that nobody listens to ends the process.
        let hangups = tls.map(|tls| Ok::<_, io::Error>((tls, signal(SignalKind::hangup())?)));
        let following = hangups
            .transpose()?
            .map(|(tls, hangups)| rt::spawn(tls.follow(hangups)));
        // The first poll starts the workers: after it, and not before, requests are answered.
        if let Poll::Ready(ended) = poll_fn(|context| Poll::Ready(Pin::new(&mut inner).poll(context))).await {
            return Ok(ended?);
        }
        announce(&addresses)?;
        let handle = inner.handle();
        let running = match select(inner, pin!(signals.next())).await {
            Either::Left((ended, _)) => {
                serving.shutdown();
                return Ok(ended?);
            }
            Either::Right(((), running)) => running,
        };
        serving.drain();
        if !drain.is_zero() {
            tracing::info!(
                seconds = drain.as_secs(),
                "draining: not ready any more, and still serving"
            );
            select(pin!(tokio::time::sleep(drain)), pin!(signals.next())).await;
        }
        tracing::info!("stopping: no new connections, requests in progress are finished");
        on_stop();
        // The command is sent by the call; what it returns only waits, as the server itself does.
        drop(handle.stop(true));
        match select(running, pin!(signals.next())).await {
            Either::Left((ended, _)) => ended?,
            // Dropping the server closes its connections.
            Either::Right(((), _running)) => tracing::warn!("stopped at once by another signal"),
        }
        if let Some(following) = following {
            following.abort();
        }
        drop(unix_socket);
        serving.shutdown();
        Ok(())
    }
}

/// The two signals that mean "stop".
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        select(pin!(self.terminate.recv()), pin!(self.interrupt.recv())).await;
    }
}
