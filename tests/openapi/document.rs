//! The document as tests ask it.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// The methods that a path may have.
pub(crate) const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub(crate) struct Document {
    json: Value,
    validators: std::cell::RefCell<BTreeMap<String, Validator>>,
}

impl Document {
    /// The document of a service that is in open mode, or not.
    pub(crate) fn new(is_open: bool) -> Self {
        Self::of(serde_json::to_value(countersign::openapi::document(is_open)).unwrap())
    }

    pub(crate) fn of(json: Value) -> Self {
        Self {
            json,
            validators: std::cell::RefCell::default(),
        }
    }

    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// `METHOD path` of every operation.
    pub(crate) fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.json["paths"].as_object().unwrap();
        let methods = |(path, item): (&String, &Value)| {
            let path = path.clone();
            let present: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
            present
                .into_iter()
                .filter(|name| METHODS.contains(&name.as_str()))
                .map(move |method| (path.clone(), method))
        };
        paths.iter().flat_map(methods).collect()
    }

    pub(crate) fn operation(&self, path: &str, method: &str) -> &Value {
        let operation = &self.json["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        operation
    }

    /// What a reference stands for, or the value itself.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let found = self.json.pointer(reference.strip_prefix('#').unwrap());
                found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
            }
            None => value,
        }
    }

    /// What is said of an operation's answer with this status.
    pub(crate) fn response(&self, path: &str, method: &str, status: u16) -> &Value {
        let responses = &self.operation(path, method)["responses"];
        let response = responses.get(status.to_string());
        self.resolve(response.unwrap_or_else(|| panic!("{method} {path} is not said to answer {status}")))
    }

    /// The codes that an answer of the token family may be a refusal with.
    pub(crate) fn codes<'a>(&'a self, response: &'a Value) -> impl Iterator<Item = &'a str> {
        let schemas = self.resolve(response)["content"]["application/problem+json"]["schema"]["allOf"].as_array();
        let schemas = schemas.into_iter().flatten();
        let words = schemas.filter_map(|schema| schema["properties"]["code"]["enum"].as_array());
        words.flatten().filter_map(Value::as_str)
    }

    /// Asserts that a value is what a schema says. `closed`: that it has no member that is not described, either.
    #[track_caller]
    pub(crate) fn assert_valid(&self, name: &str, schema: &Value, value: &Value, closed: bool) {
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry(format!("{closed} {schema}")).or_insert_with(|| {
            let mut whole = json!({"components": {"schemas": self.json["components"]["schemas"]}, "allOf": [schema]});
            if closed {
                close(&mut whole);
            }
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            options.build(&whole).unwrap()
        });
        let problems: Vec<_> = validator
            .iter_errors(value)
            .map(|error| format!("{error} at {:?}", error.instance_path().as_str()))
            .collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}\n{value:#}");
    }
}

/// Forbids members that are not described, but where a schema only adds to another.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            close_members(members);
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn close_members(members: &mut Map<String, Value>) {
    for (name, member) in members {
        match member {
            // The second only narrows the first, which is closed where it stands.
            Value::Array(items) if name == "allOf" && items.len() > 1 => items.iter_mut().take(1).for_each(close),
            other => close(other),
        }
    }
}
