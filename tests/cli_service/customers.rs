//! `customers`

use crate::support::{CUSTOMER, STRANGER, Service, text};

#[test]
fn customers_are_listed_shown_suspended_resumed_and_erased() {
    let service = Service::start();
    service.run(&["keys", "create", "--customer", STRANGER]).done();
    let listed = service.run(&["customers", "list"]).done();
    assert_eq!(listed.out, format!("{CUSTOMER}\n{STRANGER}\n"));
    let listed = service.run(&["customers", "list", "--json"]).done();
    for line in listed.out.lines() {
        let customer: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(listed.out.contains(text(&customer, "customer_id")));
    }
    let suspended = service
        .run(&["customers", "suspend", CUSTOMER, "--reason", "unpaid"])
        .done();
    assert_eq!(suspended.line(), format!("{CUSTOMER} is suspended"));
    service
        .run(&["mint", "app", "--customer", CUSTOMER, "--name", "x"])
        .refused(4, "403 customer_suspended");
    let shown = service.run(&["customers", "show", CUSTOMER]).done();
    assert!(shown.out.contains("status       suspended"), "{}", shown.out);
    let resumed = service.run(&["customers", "resume", CUSTOMER, "--json"]).done().json();
    assert_eq!(text(&resumed, "status"), "active");
    service.chain();
    let shown = service.run(&["customers", "show", CUSTOMER, "--json"]).done().json();
    assert_eq!(shown["live_tokens"]["agent"], 1);

    service.run(&["customers", "erase", STRANGER]).refused(2, "--yes");
    service.run(&["customers", "show", STRANGER]).done();
    let erased = service.run(&["customers", "erase", STRANGER, "--yes"]).done();
    assert_eq!(erased.line(), format!("{STRANGER} is erased"));
    service.run(&["customers", "show", STRANGER]).refused(1, "404");
    let listed = service.run(&["customers", "list"]).done();
    assert_eq!(listed.out, format!("{CUSTOMER}\n"));
    service.stop();
}

#[test]
fn all_customers_are_listed_page_by_page() {
    let service = Service::start();
    let mut expected: Vec<String> = vec![CUSTOMER.to_owned()];
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    for number in 0..201 {
        let customer = format!("00000000-0000-4000-8000-{number:012}");
        let request = agent.post(format!("{}/keys/signing", service.url()));
        let request = request.header("authorization", format!("Bearer {}", crate::support::ADMIN));
        request.send_json(serde_json::json!({"customer_id": customer})).unwrap();
        expected.push(customer);
    }
    expected.sort();
    let listed = service.run(&["customers", "list"]).done();
    assert_eq!(listed.out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn only_the_operator_may_and_only_of_customers_that_exist() {
    let service = Service::start();
    let chain = service.chain();
    let app = text(&chain.app, "token");
    for arguments in [
        &["customers", "list"][..],
        &["customers", "suspend", CUSTOMER],
        &["customers", "erase", CUSTOMER, "--yes"],
    ] {
        service.run_as(app, arguments).refused(4, "403 forbidden");
    }
    for action in ["show", "suspend", "resume"] {
        service.run(&["customers", action, STRANGER]).refused(1, "404");
    }
    service
        .run(&["customers", "show", "somebody"])
        .refused(2, "must be a UUID");
    service.run(&["customers"]).refused(2, "");
}
