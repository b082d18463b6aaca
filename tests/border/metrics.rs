//! What is counted at the border itself.

use crate::metrics_page::Page;
use crate::support::{Client, Running, default_server, start};

fn page(server: &Running) -> Page {
    let answer = Client::connect(server).get("/metrics");
    assert_eq!(answer.status, 200);
    Page::parse(std::str::from_utf8(&answer.body).unwrap())
}

#[test]
fn a_panic_counts_as_a_failure_without_a_route() {
    let server = default_server();
    assert_eq!(page(&server).value("countersign_http_panics_total"), 0.0);
    let before = page(&server);
    assert_eq!(Client::connect(&server).get("/test/panic").status, 500);
    let after = page(&server);
    let moved: Vec<_> = after.since(&before).into_keys().collect();
    assert_eq!(
        moved,
        [
            "countersign_http_panics_total",
            "countersign_http_refusals_total{code=\"internal\"}",
            "countersign_http_request_duration_seconds_count{route=\"none\",method=\"GET\"}",
            "countersign_http_requests_total{route=\"none\",method=\"GET\",status=\"5xx\"}",
        ]
    );
}

#[test]
fn requests_in_flight_are_counted_while_they_are_and_the_page_comes_however_many_there_are() {
    let (server, arrived) = start(|config| config.server.in_flight_max = 2);
    let in_flight = |server: &Running| page(server).value("countersign_http_requests_in_flight");
    assert_eq!(in_flight(&server), 1.0, "the one that asks");
    let mut waiting = [Client::connect(&server), Client::connect(&server)];
    for client in &mut waiting {
        client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
        arrived.recv().unwrap();
    }
    assert_eq!(in_flight(&server), 3.0);
    assert_eq!(
        Client::connect(&server).post("/test/echo", "{}").problem(),
        "overloaded"
    );
    assert_eq!(
        page(&server).value("countersign_http_refusals_total{code=\"overloaded\"}"),
        1.0
    );
    server.gate.open.add_permits(2);
    for client in &mut waiting {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(in_flight(&server), 1.0);
}

#[test]
fn a_failure_of_the_library_counts_under_a_code_of_ours() {
    let server = default_server();
    assert_eq!(
        Client::connect(&server).get("/test/foreign").problem(),
        "malformed_request"
    );
    let series = "countersign_http_refusals_total{code=\"malformed_request\"}";
    assert_eq!(page(&server).value(series), 1.0);
}
