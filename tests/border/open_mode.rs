//! Without an admin credential: local programs only.

use countersign::config::{Config, Secret};

use crate::support::{Answer, Client, Running, default_server, start};

fn with_admin(config: &mut Config) {
    config.secrets.admin_token = Some(Secret::new(vec![b'a'; 32]));
}

fn get_health(server: &Running, headers: &str) -> Answer {
    let mut client = Client::connect(server);
    client.send(format!("GET /health HTTP/1.1\r\n{headers}\r\n"));
    client.answer()
}

const FOREIGN: [&str; 6] = [
    "Host: evil.example\r\n",
    "Host: localhost.evil.example:8001\r\n",
    "Host: localhost\r\nOrigin: http://evil.example\r\n",
    "Host: localhost\r\nOrigin: null\r\n",
    "Host: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n",
    "Host: localhost\r\nForwarded: for=192.0.2.1\r\n",
];

#[test]
fn what_does_not_look_local_is_refused() {
    let server = default_server();
    for headers in FOREIGN {
        let answer = get_health(&server, headers);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (403, "open_mode_refused"),
            "{headers}"
        );
        assert!(answer.header("x-request-id").is_some());
    }
    for headers in [
        "Host: localhost\r\n",
        "Host: [::1]:8001\r\n",
        "Host: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n",
    ] {
        assert_eq!(get_health(&server, headers).status, 200, "{headers}");
    }
}

#[test]
fn the_permission_family_refuses_in_its_own_form() {
    let server = default_server();
    let mut client = Client::connect(&server);
    client.send("GET /api/v1/whoami HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.envelope().as_str()), (403, "FORBIDDEN"));
}

#[test]
fn an_absolute_target_and_a_missing_host_do_not_get_round_it() {
    let server = default_server();
    let mut client = Client::connect(&server);
    client.send("GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().status, 403);
    let mut client = Client::connect(&server);
    client.send("GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().status, 403);
    let mut client = Client::connect(&server);
    client.send("GET /health HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer_without_body().status, 400, "HTTP/1.1 demands it anyway");
}

#[test]
fn with_an_admin_credential_a_proxy_may_forward() {
    let (server, _) = start(with_admin);
    for headers in FOREIGN {
        assert_eq!(get_health(&server, headers).status, 200, "{headers}");
    }
}
