//! A Unix socket beside the TCP address.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use countersign::config::{Config, Secret};
use countersign::server::{ServeError, Server};

use crate::support::{Client, start};

#[test]
fn it_serves_the_same_and_is_removed_on_stop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countersign.sock");
    let (server, _) = start(|config| {
        config.server.unix_socket = Some(path.clone());
        config.secrets.admin_token = Some(Secret::new(vec![b'a'; 32]));
    });
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = Client::over(UnixStream::connect(&path).unwrap());
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(client.get("/test/panic").status, 500);
    assert_eq!(Client::connect(&server).get("/health").status, 200);
    drop(client);
    drop(server);
    assert!(!path.exists());
}

#[actix_web::test]
async fn without_a_credential_nothing_is_bound() {
    let mut config = Config::default();
    config.server.port = 0;
    config.server.unix_socket = Some("/nonexistent/countersign.sock".into());
    let refused = Server::bind(&config, |_| {}).err().unwrap();
    assert!(matches!(refused, ServeError::Config(_)));
    config.server.unix_socket = None;
    config.server.host = "0.0.0.0".to_owned();
    assert!(matches!(
        Server::bind(&config, |_| {}).err().unwrap(),
        ServeError::Config(_)
    ));
}
