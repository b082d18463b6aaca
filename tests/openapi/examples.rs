//! The document as such: it is one, whatever it refers to is there, and every example is what its schema says.

use std::collections::BTreeSet;

use serde_json::Value;

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

#[test]
fn every_code_of_the_error_table_is_described() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/error/engine.rs")).unwrap();
    let described = Document::new(false).json().to_string();
    let mut codes = 0;
    // `(409, "parent_revoked", …)`
    for part in source.split("(4").skip(1) {
        let Some(code) = part.get(2..).and_then(|rest| rest.strip_prefix(", \"")) else {
            continue;
        };
        let code = code.split('"').next().unwrap();
        codes += 1;
        // What its callers have handled.
        assert!(
            code == "refused" || described.contains(&format!("\"{code}\"")),
            "{code}"
        );
    }
    assert!(codes > 25, "{codes}");
}
