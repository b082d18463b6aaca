//! The document has the routes of the URL table, method by method, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::document::{Document, METHODS};
use crate::service::Service;

/// Path and methods of every endpoint in a source file: `at("/path").get(…).post(…)`.
fn endpoints(source: &str) -> Vec<(String, Vec<&'static str>)> {
    let mut found = Vec::new();
    for part in source.split("at(\"/").skip(1) {
        let (path, rest) = part.split_once("\")").unwrap();
        let end = rest.find(".service(").into_iter().chain(rest.find(';')).min();
        let calls = &rest[..end.unwrap_or(rest.len())];
        let methods = METHODS
            .into_iter()
            .filter(|method| calls.contains(&format!(".{method}(")));
        found.push((format!("/{path}"), methods.collect()));
    }
    found
}

fn table() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for file in ["routes.rs", "routes/permissions.rs"] {
        for (path, methods) in endpoints(&fs::read_to_string(root.join(file)).unwrap()) {
            assert!(!methods.is_empty(), "{path} has methods");
            found.extend(methods.into_iter().map(|method| (path.clone(), method.to_owned())));
        }
    }
    found
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let (table, described) = (table(), Document::new(false).operations());
    assert!(table.len() > 50, "the table was read");
    let missing: Vec<_> = table.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "describe these under src/openapi/paths: {missing:?}"
    );
    let surplus: Vec<_> = described.difference(&table).collect();
    assert!(surplus.is_empty(), "no route is {surplus:?}");
}

#[test]
fn the_program_has_the_described_methods_at_every_path() {
    let service = Service::open();
    for (path, item) in Document::new(true).json()["paths"].as_object().unwrap() {
        let shown = path.replace(['{', '}'], "");
        let refused = service.call("PROPFIND", &shown, &[], None);
        assert_eq!(refused.status, 405, "{path}");
        let mut allowed: Vec<_> = refused
            .header("allow")
            .unwrap()
            .split(", ")
            .map(str::to_lowercase)
            .collect();
        allowed.retain(|method| method != "head");
        allowed.sort_unstable();
        let mut described: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
        described.sort_unstable();
        assert_eq!(described, allowed, "{path}");
    }
}

#[test]
fn the_reader_of_the_table_reads_it() {
    let source =
        "app.service(at(\"/a\").get(x::get).post(b))\n .service(\n at(\"/b/{c}\")\n .delete(d),\n );\n y.get(\"z\");";
    let found = endpoints(source);
    assert_eq!(found[0], ("/a".to_owned(), vec!["get", "post"]));
    assert_eq!(found[1], ("/b/{c}".to_owned(), vec!["delete"]));
}
