//! TLS as it is served: the certificate, whom to ask for one, and replacing both while connections go on.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::{rt, web};
use countersign_actors::crypto::digest::sha256;
use futures_util::future::{Either, select};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use tokio::signal::unix::Signal;

use crate::config::tls::{ClientCertificates, TlsConfig};
use crate::tls::{Operators, PemError, certificates, certified_key, pem_content, provider};
use trust::Trust;

mod trust;

/// Why TLS cannot be served as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not usable.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate that clients' are to come from is none.
    #[error("`{path}` cannot be used to verify clients: {reason}")]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The library refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// What is served over TLS, until it is replaced.
#[derive(Debug)]
pub struct Tls {
    certificate_file: PathBuf,
    private_key_file: PathBuf,
    client_ca_file: Option<PathBuf>,
    certificate: RwLock<Arc<CertifiedKey>>,
    trust: Option<Arc<Trust>>,
    /// Digest of the files when they were last looked at.
    seen: Mutex<Option<[u8; 32]>>,
    interval: Duration,
}

impl Tls {
    /// Reads everything that the configuration names; nothing if it names no certificate.
    ///
    /// # Errors
    /// [`TlsError`] says which file is at fault.
    pub fn load(config: &TlsConfig) -> Result<Option<Arc<Self>>, TlsError> {
        let (Some(certificate_file), Some(private_key_file)) = (&config.certificate_file, &config.private_key_file)
        else {
            return Ok(None);
        };
        let client_ca_file = config.client_ca_file.clone();
        let client_ca_file = client_ca_file.filter(|_| config.client_certificates != ClientCertificates::None);
        let is_required = config.client_certificates == ClientCertificates::Required;
        let trust = match &client_ca_file {
            None => None,
            Some(path) => Some(Arc::new(Trust::new(verifier(path)?, is_required))),
        };
        let tls = Self {
            certificate: RwLock::new(Arc::new(certified_key(certificate_file, private_key_file)?)),
            certificate_file: certificate_file.clone(),
            private_key_file: private_key_file.clone(),
            client_ca_file,
            trust,
            seen: Mutex::new(None),
            interval: config.reload_interval(),
        };
        *tls.seen.lock().unwrap_or_else(PoisonError::into_inner) = tls.digest();
        Ok(Some(Arc::new(tls)))
    }

    /// The settings for the library: TLS 1.2 and 1.3, nothing older.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]);
        let builder = builder.map_err(|error| TlsError::Setup(error.to_string()))?;
        let Some(trust) = &self.trust else {
            return Ok(builder
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(self) as Arc<_>));
        };
        let trust = Arc::clone(trust) as Arc<dyn ClientCertVerifier>;
        let mut config = builder
            .with_client_cert_verifier(trust)
            .with_cert_resolver(Arc::clone(self) as Arc<_>);
        // A resumed session would bring its certificate along without anybody verifying it once more.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    /// Reads all files anew, and replaces what is served if all of them are in order.
    fn reload(&self) -> Result<(), TlsError> {
        let certificate = certified_key(&self.certificate_file, &self.private_key_file)?;
        let verifier = match (&self.trust, &self.client_ca_file) {
            (Some(trust), Some(path)) => Some((trust, verifier(path)?)),
            _ => None,
        };
        *self.certificate.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
        if let Some((trust, verifier)) = verifier {
            trust.replace(verifier);
        }
        Ok(())
    }

    /// Reloads if somebody asks for it or the files have changed, and tells what came of it.
    fn look(&self, is_asked: bool) {
        let now = self.digest();
        let before = std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now);
        // A change that was refused is told once, and not with every look.
        if !is_asked && before == now {
            return;
        }
        match self.reload() {
            Ok(()) => tracing::info!("the certificate was read again: new connections get it"),
            Err(error) => tracing::error!(
                %error,
                "the certificate cannot be replaced: connections go on getting the one that was read before"
            ),
        }
    }

    /// A digest of all files; nothing if one cannot be read.
    fn digest(&self) -> Option<[u8; 32]> {
        let files = [
            Some(&self.certificate_file),
            Some(&self.private_key_file),
            self.client_ca_file.as_ref(),
        ];
        let digests: Result<Vec<_>, _> = files
            .into_iter()
            .flatten()
            .map(|path| pem_content(path).map(|pem| sha256(&pem)))
            .collect();
        Some(sha256(&digests.ok()?.concat()))
    }

    /// Looks at the files again and again, and whenever SIGHUP says so. Does not end.
    pub(super) async fn follow(self: Arc<Self>, mut hangups: Signal) {
        loop {
            let is_asked = {
                let hangup = std::pin::pin!(hangups.recv());
                let pause = std::pin::pin!(rt::time::sleep(self.interval));
                matches!(select(hangup, pause).await, Either::Left(_))
            };
            let tls = Arc::clone(&self);
            // A pool that is gone means that the process ends.
            let _ = web::block(move || tls.look(is_asked)).await;
        }
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.certificate.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

fn verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let failed = |reason: String| TlsError::ClientCa {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    builder
        .build()
        .map_err(|error: VerifierBuilderError| failed(error.to_string()))
}

/// Notes on a new connection the operator that its certificate stands for.
pub(super) fn recognise(operators: &Operators, connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else {
        return;
    };
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    if let Some(operator) = certificate.and_then(|certificate| operators.of(certificate)) {
        extensions.insert(operator);
    }
}
