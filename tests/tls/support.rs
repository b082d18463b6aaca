//! Certificates made for a test, a service that serves with them, and connections to it.

use std::io::{self, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::client::{Answer, Client};
use crate::program::{Program, countersign};

pub(crate) const ADMIN: &str = "an-admin-token-of-over-thirty-two-characters";
pub(crate) const CUSTOMER: &str = "550e8400-e29b-41d4-a716-446655440000";
pub(crate) const OPERATOR: &str = "ops.example.org";

/// A root that certificates come from.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in files.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// The root itself, in a file.
    pub(crate) fn file(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// A certificate for these names, written as `name.pem` and `name.key`.
    pub(crate) fn issue(&self, directory: &Path, name: &str, names: &[&str]) -> Files {
        self.issue_with(directory, name, names, |_| ())
    }

    pub(crate) fn issue_with(
        &self,
        directory: &Path,
        name: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let files = Files {
            certificate: directory.join(format!("{name}.pem")),
            key: directory.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

impl Files {
    /// The certificate as it travels.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        countersign::tls::certificates(&self.certificate).unwrap().remove(0)
    }

    /// Puts another certificate and key in their place.
    pub(crate) fn become_like(&self, other: &Self) {
        std::fs::copy(&other.key, &self.key).unwrap();
        std::fs::copy(&other.certificate, &self.certificate).unwrap();
    }
}

/// A directory with a root, and with the certificate that a service serves.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) authority: Authority,
    pub(crate) served: Files,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("A root");
        let served = authority.issue(directory.path(), "served", &["localhost", "127.0.0.1"]);
        Self {
            directory,
            authority,
            served,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The program with this certificate.
    pub(crate) fn command(&self) -> Command {
        let mut command = countersign(&self.path().join("data"));
        command
            .env("AUTH_TLS_CERTIFICATE_FILE", &self.served.certificate)
            .env("AUTH_TLS_PRIVATE_KEY_FILE", &self.served.key);
        command
    }

    /// The same, asking clients for certificates of the same root, with one operator among them.
    pub(crate) fn command_asking(&self, client_certificates: &str) -> Command {
        let mut command = self.command();
        command
            .env("AUTH_TLS_CLIENT_CERTIFICATES", client_certificates)
            .env(
                "AUTH_TLS_CLIENT_CA_FILE",
                self.authority.file(self.path(), "clients.pem"),
            )
            .env("AUTH_TLS_ADMIN_CERTIFICATES", format!("dns:{OPERATOR}"));
        command
    }

    pub(crate) fn start(&self) -> Service<'_> {
        let mut command = self.command();
        command.env("AUTH_ADMIN_TOKEN", ADMIN);
        self.serve(command)
    }

    pub(crate) fn serve(&self, mut command: Command) -> Service<'_> {
        // What it logs is looked at by some tests, and must never fill a pipe.
        let log = std::fs::File::create(self.path().join("log")).unwrap();
        command.stderr(Stdio::from(log));
        Service {
            program: Program::start(command),
            place: self,
        }
    }
}

/// A running service.
pub(crate) struct Service<'a> {
    pub(crate) program: Program,
    place: &'a Place,
}

/// A connection over TLS.
pub(crate) type Tls = Client<StreamOwned<ClientConnection, TcpStream>>;

impl Service<'_> {
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.program.address.port())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap()
    }

    /// Tells it by a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.program.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub(crate) fn connect(&self) -> Tls {
        self.try_connect(None, rustls::DEFAULT_VERSIONS).unwrap()
    }

    /// Connects with a client certificate.
    pub(crate) fn connect_as(&self, files: &Files) -> io::Result<Tls> {
        self.try_connect(Some(files), rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn try_connect(
        &self,
        files: Option<&Files>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Tls> {
        self.connect_with(&self.client(files, versions))
    }

    /// A client that trusts the service's root, and remembers sessions.
    pub(crate) fn client(
        &self,
        files: Option<&Files>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.place.authority.der()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match files {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let key = countersign::tls::private_key(&files.key).unwrap();
                builder.with_client_auth_cert(vec![files.der()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Connects, and makes sure that the service accepts the handshake: under TLS 1.3 it judges a client after the client is done.
    pub(crate) fn connect_with(&self, client: &Arc<ClientConfig>) -> io::Result<Tls> {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
        let socket = TcpStream::connect(self.program.address)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut client = Client::over(StreamOwned::new(connection, socket));
        client.stream.flush()?;
        let healthy = client.exchange("GET /health", &[], "")?;
        assert_eq!(healthy.status, 200);
        Ok(client)
    }

    /// The certificate that a new connection gets.
    pub(crate) fn presented(&self) -> CertificateDer<'static> {
        let connection = self.connect();
        connection.stream.conn.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    }
}

impl Tls {
    /// A call that presents this as a bearer token, or nothing.
    pub(crate) fn call(&mut self, line: &str, bearer: Option<&str>, body: &str) -> Answer {
        let authorization = bearer.map(|bearer| format!("Authorization: Bearer {bearer}"));
        let mut headers: Vec<&str> = authorization.iter().map(String::as_str).collect();
        if !body.is_empty() {
            headers.push("Content-Type: application/json");
        }
        self.exchange(line, &headers, body).unwrap()
    }
}

/// A call that makes the customer's key.
pub(crate) fn make_key(client: &mut Tls, bearer: Option<&str>) -> Answer {
    client.call(
        "POST /keys/signing",
        bearer,
        &format!(r#"{{"customer_id":"{CUSTOMER}"}}"#),
    )
}

/// An app token that the operator on this connection mints.
pub(crate) fn app_token(client: &mut Tls, bearer: Option<&str>) -> String {
    assert_eq!(make_key(client, bearer).status, 200);
    let body = format!(r#"{{"customer_id":"{CUSTOMER}","name":"console"}}"#);
    let minted = client.call("POST /tokens/app", bearer, &body);
    minted.json()["token"].as_str().unwrap().to_owned()
}

/// Waits until something holds that the service does in its own time; a test that waits in vain fails.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("{what}");
}
