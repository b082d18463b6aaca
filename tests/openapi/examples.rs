//! The document as such: it is one, whatever it refers to is there, and every example is what its schema says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use ureq::http::StatusCode;

use crate::document::Document;

/// Every object in a JSON value, with the place where it stands.
fn each_object(value: &Value, place: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            visit(place, value);
            for (name, member) in members {
                each_object(member, &format!("{place}/{name}"), visit);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                each_object(item, &format!("{place}/{at}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn it_is_an_openapi_3_1_document_whose_references_lead_somewhere() {
    for is_open in [false, true] {
        let document = Document::new(is_open);
        assert_eq!(document.json()["openapi"], "3.1.0");
        each_object(document.json(), "", &mut |_, object| {
            document.resolve(object);
        });
        let schemas = document.json()["components"]["schemas"].as_object().unwrap();
        let text = document.json().to_string();
        for name in schemas.keys() {
            let reference = format!("\"#/components/schemas/{name}\"");
            assert!(text.contains(&reference), "nothing refers to {name}");
        }
    }
}

#[test]
fn every_operation_has_a_name_a_heading_and_a_description() {
    let document = Document::new(false);
    let headings: Vec<_> = document.json()["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    let mut names = BTreeSet::new();
    for (path, method) in document.operations() {
        let operation = document.operation(&path, &method);
        assert!(
            names.insert(operation["operationId"].as_str().unwrap().to_owned()),
            "{path}"
        );
        assert!(headings.contains(&&operation["tags"][0]), "{path}");
        for told in ["summary", "description"] {
            assert!(
                operation[told].as_str().is_some_and(|text| !text.is_empty()),
                "{path} {told}"
            );
        }
        let named: BTreeSet<_> = path
            .split('{')
            .skip(1)
            .map(|part| part.split('}').next().unwrap())
            .collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
        let described: BTreeSet<_> = in_path.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(described, named, "{path}");
    }
}

#[test]
fn every_example_is_what_its_schema_says() {
    for is_open in [false, true] {
        let document = Document::new(is_open);
        let mut seen = 0;
        each_object(document.json(), "", &mut |place, object| {
            let schema = object.get("schema");
            if let (Some(schema), Some(example)) = (schema, object.get("example")) {
                seen += 1;
                document.assert_valid(place, schema, example, true);
            }
            let examples = object.get("examples").and_then(Value::as_array);
            if let Some(examples) = examples.filter(|_| object.get("type").is_some()) {
                for example in examples {
                    seen += 1;
                    document.assert_valid(place, object, example, true);
                }
            }
        });
        assert!(seen > 150, "{seen} examples");
    }
}

#[test]
fn every_body_has_an_example() {
    let document = Document::new(false);
    each_object(document.json(), "", &mut |place, object| {
        for (media, content) in object.get("content").and_then(Value::as_object).into_iter().flatten() {
            assert!(content.get("example").is_some(), "{place} {media}");
        }
    });
}

#[test]
fn open_mode_is_told_where_it_is() {
    let (open, credentialed) = (Document::new(true), Document::new(false));
    let without = |document: &Document| {
        let securities = &document.operation("/tokens/app", "post")["security"];
        securities.as_array().unwrap().contains(&serde_json::json!({}))
    };
    assert!(without(&open) && !without(&credentialed));
    assert!(open.operation("/health", "get")["responses"]["403"].is_object());
    assert!(credentialed.operation("/health", "get")["responses"]["403"].is_null());
    for document in [open, credentialed] {
        let key = &document.operation("/api/v1/whoami", "get")["security"];
        assert_eq!(
            *key,
            serde_json::json!([{"api_key": []}, {"api_key_bearer": []}]),
            "a key is needed in every mode"
        );
    }
}

/// The codes of a source file with their statuses: `(409, "parent_revoked"`, or `StatusCode::CONFLICT, "parent_revoked"`.
fn codes(source: &str) -> Vec<(u16, &str)> {
    let source = source.split("#[cfg(test)]").next().unwrap();
    let names = (400..600).filter_map(|number| {
        let reason = StatusCode::from_u16(number).ok()?.canonical_reason()?;
        Some((reason.to_uppercase().replace([' ', '-'], "_"), number))
    });
    let names: BTreeMap<String, u16> = names.collect();
    let found = source.match_indices('"').filter_map(|(at, _)| {
        let before = source[..at].trim_end().strip_suffix(',')?;
        let word = before.rsplit(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next()?;
        let status = names.get(word).copied().or_else(|| word.parse().ok())?;
        Some((status, source[at + 1..].split('"').next()?))
    });
    found.filter(|(status, _)| (400..600).contains(status)).collect()
}

#[test]
fn every_code_that_the_program_knows_is_described_with_its_status() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = Document::new(true);
    let mut described = BTreeSet::new();
    for (path, method) in document.operations() {
        described.extend(refusals(&document, document.operation(&path, &method)));
    }
    let prose = document.json()["info"]["description"].as_str().unwrap();
    let mut known = BTreeSet::new();
    for file in ["src/error.rs", "src/error/engine.rs", "src/routes/backup.rs"] {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        for (status, code) in codes(&source) {
            known.insert((status, code.to_owned()));
            // What nothing comes to, and what no operation answers.
            let is_told = code == "refused" || prose.contains(&format!("{status} `{code}`"));
            assert!(
                is_told || described.contains(&(status, code)),
                "{file}: {status} {code}"
            );
        }
    }
    assert!(known.len() > 45, "{known:?}");
    // The other way round: nothing is described that the program does not know.
    for (status, code) in described {
        assert!(known.contains(&(status, code.to_owned())), "{status} {code}");
    }
}

/// The statuses and codes that an operation is said to be refused with.
fn refusals<'d>(document: &'d Document, operation: &'d Value) -> BTreeSet<(u16, &'d str)> {
    let responses = operation["responses"].as_object().unwrap().iter();
    let refusals = responses.flat_map(|(status, response)| {
        let status = status.parse().unwrap();
        document.codes(response).map(move |code| (status, code))
    });
    refusals.collect()
}

#[test]
fn what_any_call_may_meet_is_described_with_every_call() {
    let document = Document::new(false);
    for (path, method) in document.operations() {
        let operation = document.operation(&path, &method);
        let parameters = operation["parameters"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let has = |place: &str| parameters.iter().any(|parameter| parameter["in"] == place);
        let is_keyed = parameters
            .iter()
            .any(|one| one["name"].as_str().unwrap().ends_with("dempotency-Key"));
        let is_secured = !operation["security"].as_array().unwrap().is_empty();
        let mut expected = vec![(500, "internal"), (503, "overloaded")];
        if operation["requestBody"].is_object() {
            expected.extend([
                (400, "malformed_json"),
                (408, "request_timeout"),
                (413, "payload_too_large"),
                (415, "unsupported_media_type"),
                (422, "invalid_request"),
            ]);
        }
        if has("path") || has("query") {
            expected.push((400, "malformed_request"));
        }
        if has("query") {
            expected.push((422, "invalid_request"));
        }
        if is_secured {
            expected.extend([
                (401, "unauthenticated"),
                (403, "forbidden"),
                (403, "customer_suspended"),
                (429, "tenant_busy"),
                (503, "unavailable"),
                (503, "indeterminate"),
                (503, "records_unreadable"),
            ]);
        }
        if is_keyed {
            expected.extend([
                (409, "idempotent_result_gone"),
                (422, "idempotency_key_reused"),
                (429, "idempotency_limit"),
                (503, "storage_low"),
            ]);
        }
        let described = refusals(&document, operation);
        let is_permissions = path.starts_with("/api/v1");
        for (status, code) in expected {
            // That family has one code for each status, and no 422.
            let found = match is_permissions {
                true => operation["responses"][if status == 422 { 400 } else { status }.to_string()].is_object(),
                false => described.contains(&(status, code)),
            };
            assert!(found, "{method} {path}: {status} {code}");
        }
        assert!(
            !is_permissions || operation["responses"]["429"].is_object(),
            "{method} {path}: its rate"
        );
    }
}
