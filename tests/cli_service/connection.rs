//! Which service is called, and as whom.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::{ADMIN, CUSTOMER, Service, run, text};

/// Somebody who listens, answers every call with 401, and tells what was said to it.
fn listener() -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut heard).unwrap() > 2 {}
        let body = r#"{"code":"unauthenticated","detail":"no"}"#;
        write!(stream, "HTTP/1.1 401 x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        heard
    });
    (url, heard)
}

#[test]
fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let service = Service::start();
    let directory = service.directory.path();
    std::fs::write(
        directory.join("config.toml"),
        "[client]\nservice_url = \"http://127.0.0.1:1\"\n",
    )
    .unwrap();
    let list = ["customers", "list"];
    let mut from_file = service.stranger(&list);
    from_file.env_remove("AUTH_CLIENT_SERVICE_URL");
    run(from_file, "").refused(3, "no service answers at http://127.0.0.1:1");
    service.run(&list).done();
    let flag = ["customers", "list", "--service", "http://127.0.0.1:2"];
    service
        .run(&flag)
        .refused(3, "no service answers at http://127.0.0.1:2");

    let wrong = service.file("wrong", "another-token-of-over-thirty-two-characters");
    let right = service.file("right", ADMIN);
    std::fs::write(
        directory.join("config.toml"),
        format!("[client]\ncredential_file = {wrong:?}\n"),
    )
    .unwrap();
    run(service.stranger(&list), "").refused(4, "refuses the presented credential (401");
    service.run_as(ADMIN, &list).done();
    let flag = ["customers", "list", "--credential-file", &wrong];
    service.run_as(ADMIN, &flag).refused(4, "401");
    let flag = ["customers", "list", "--credential-file", &right];
    run(service.stranger(&flag), "").done();
}

#[test]
fn the_exit_code_tells_what_is_not_permitted_from_what_cannot_be_reached() {
    let service = Service::start();
    let chain = service.chain();
    run(service.stranger(&["customers", "list"]), "")
        .refused(4, "refuses calls without a credential (401 unauthenticated)");
    service
        .run_as(text(&chain.app, "token"), &["customers", "list"])
        .refused(4, "403 forbidden");
    let nobody = ["customers", "list", "--service", "http://127.0.0.1:1", "--json"];
    let told = service.run(&nobody).refused(3, "\"error\":").told;
    assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok());
}

#[test]
fn no_credential_goes_over_plain_http_to_another_machine() {
    let service = Service::start();
    for url in ["http://192.0.2.1:8001", "http://auth.example.org"] {
        let arguments = ["customers", "list", "--service", url];
        service.run(&arguments).refused(1, "would be spoken to in plain HTTP");
        let mut by_variable = service.stranger(&["customers", "list"]);
        by_variable
            .env("AUTH_CLIENT_SERVICE_URL", url)
            .env("AUTH_CLIENT_CREDENTIAL", ADMIN);
        run(by_variable, "").refused(1, "would be spoken to in plain HTTP");
        let keys = ["verify", "token", "--jwks", &format!("{url}/jwks.json")];
        service.run(&keys).refused(1, "would be spoken to in plain HTTP");
    }
    let password = [
        "customers",
        "list",
        "--service",
        "https://operator:hush-hush@auth.example.org",
    ];
    let told = service.run(&password).refused(2, "the address of a service is").told;
    assert!(!told.contains("hush"));
}

#[test]
fn the_admin_token_of_a_configuration_goes_to_its_own_service_only() {
    let service = Service::start();
    let (url, heard) = listener();
    let elsewhere = ["customers", "list", "--service", &url];
    service.run(&elsewhere).refused(4, "calls without a credential");
    let heard = heard.join().unwrap().to_lowercase();
    assert!(
        heard.starts_with("get /customers") && !heard.contains("authorization"),
        "{heard}"
    );
    // Whoever names both means it.
    let (url, heard) = listener();
    service
        .run_as(ADMIN, &["customers", "list", "--service", &url])
        .refused(4, "401");
    assert!(heard.join().unwrap().contains(ADMIN));
}

#[test]
fn keys_from_elsewhere_are_asked_for_without_the_credential() {
    let service = Service::start();
    let token = service.chain().agent;
    let (url, heard) = listener();
    let arguments = ["verify", text(&token, "token"), "--jwks", &format!("{url}/keys")];
    service.run_as(ADMIN, &arguments).refused(4, "401");
    let heard = heard.join().unwrap().to_lowercase();
    assert!(
        heard.starts_with("get /keys") && !heard.contains("authorization"),
        "{heard}"
    );
}

#[test]
fn a_wrong_setting_is_refused_but_hinders_no_command_that_needs_none() {
    let service = Service::start();
    std::fs::write(service.directory.path().join("config.toml"), "[client]\nservice = 1\n").unwrap();
    service
        .run(&["customers", "list"])
        .refused(1, "client.service: is not a key");
    let mut told = 0;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = service.run(&["completions", shell]).done().out;
        for command in ["lineage", "inspect-token", "check-config"] {
            assert!(script.contains(command), "{shell} {command}");
            told += 1;
        }
    }
    assert_eq!(told, 15);
    service.run(&["completions", "cmd"]).refused(2, "cmd");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_told() {
    let service = Service::start();
    let chain = service.chain();
    let token = text(&chain.agent, "token");
    for arguments in [
        &["lineage", token][..],
        &["revoke", token, "--customer", CUSTOMER],
        &["keys", "revoke", token],
        &[token],
        &["mint", token],
        &["customers", "show", ADMIN],
        &["verify", token, token, "--jwks", "x"],
    ] {
        // Ran asserts that neither a token nor the admin token is repeated.
        service.run(arguments).refused(2, "");
    }
}
