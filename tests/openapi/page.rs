//! The page and the document as the program serves them.

use crate::document::Document;
use crate::service::{ADMIN, Service};

#[test]
fn the_document_is_served_in_the_mode_of_the_service() {
    for (service, is_open) in [(Service::open(), true), (Service::credentialed(), false)] {
        let served = service.call("GET", "/openapi.json", &[], None);
        assert_eq!(served.status, 200);
        assert_eq!(served.header("content-type"), Some("application/json"));
        assert_eq!(&served.json(), Document::new(is_open).json());
    }
}

#[test]
fn the_page_is_made_of_files_of_the_program_and_lets_nothing_else_in() {
    let service = Service::open();
    let page = service.call("GET", "/docs", &[], None);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    let mut files = 0;
    for reference in text.split(['"']).filter(|part| part.starts_with("docs/")) {
        files += 1;
        let file = service.call("GET", &format!("/{reference}"), &[], None);
        assert_eq!(file.status, 200, "{reference}");
        assert!(!file.body.is_empty(), "{reference}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(file.header(name), Some(value), "{reference}");
        }
    }
    assert_eq!(files, 6);
    assert!(!text.contains("://"), "nothing comes from elsewhere");
    assert!(
        !text.contains("<style") && !text.contains("style="),
        "no style stands in the page"
    );
    assert!(
        text.matches("<script").count() == text.matches("<script src=").count(),
        "no script stands in the page"
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"),
        "{policy}"
    );
    let begins = service.call("GET", "/docs/swagger-initializer.js", &[], None);
    assert!(begins.text().contains("openapi.json"), "it shows our document");
    for other in [
        "index.html",
        "oauth2-redirect.html",
        "..%2fopenapi.json",
        "swagger-ui.css.map",
    ] {
        assert_eq!(
            service.call("GET", &format!("/docs/{other}"), &[], None).status,
            404,
            "{other}"
        );
    }
}

#[test]
fn off_loopback_the_documentation_needs_a_credential() {
    let service = Service::with(&[("AUTH_HOST", "0.0.0.0"), ("AUTH_ADMIN_TOKEN", ADMIN)]);
    let admin = format!("Bearer {ADMIN}");
    for path in ["/openapi.json", "/docs", "/docs/swagger-ui.css"] {
        assert_eq!(service.call("GET", path, &[], None).status, 401, "{path}");
        assert_eq!(
            service.call("GET", path, &[("authorization", "Bearer x")], None).status,
            401,
            "{path}"
        );
        assert_eq!(
            service.call("GET", path, &[("authorization", &admin)], None).status,
            200,
            "{path}"
        );
    }
    let local = Service::credentialed();
    assert_eq!(local.call("GET", "/docs", &[], None).status, 200);
    assert_eq!(
        local
            .call("GET", "/docs", &[("authorization", "Bearer x")], None)
            .status,
        401
    );
}

#[test]
fn a_path_that_is_not_utf_8_is_refused_in_the_form_of_its_family() {
    let service = Service::open();
    for path in ["/overrides/%ff", "/docs/%C3%28", "/tokens/%zz", "/%"] {
        let refused = service.call("GET", path, &[], None);
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (400, &"malformed_request".into()),
            "{path}"
        );
    }
    let refused = service.call("GET", "/api/v1/permissions/resolve/%ff", &[], None);
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (400, &"BAD_REQUEST".into())
    );
    let known = service.call("GET", "/overrides/%EF%BF%BD?customer_id=x", &[], None);
    assert_eq!(known.status, 422, "U+FFFD itself is a character");
}
