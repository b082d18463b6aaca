//! The limits that the document gives are those of the code: of every field of every body, the last value that passes and the first
//! that does not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::document::Document;
use crate::service::{ADMIN, Answer, Service};

/// Fields of which the second is left out while the first is tried: they exclude each other, or must not differ.
const RIVALS: [(&str, &str); 3] = [
    ("issued_before", "agent_id"),
    ("rbac.sensitivity_level", "rbac.max_sensitivity_level"),
    ("rbac.max_sensitivity_level", "rbac.sensitivity_level"),
];

/// One body being tried out.
struct Trial<'a> {
    service: &'a Service,
    document: &'a Document,
    method: &'a str,
    path: String,
    credential: (&'static str, String),
    example: Value,
    /// Requests made.
    tried: u32,
}

impl Trial<'_> {
    fn send(&mut self, body: &Value) -> Answer {
        self.tried += 1;
        let (name, value) = &self.credential;
        let headers = [(*name, value.as_str()), ("content-type", "application/json")];
        let method = self.method.to_uppercase();
        self.service
            .call(&method, &self.path, &headers, Some(&body.to_string()))
    }

    /// The fields that a body is refused for.
    fn complaints(&mut self, body: &Value) -> Vec<String> {
        let answer = self.send(body);
        if !matches!(answer.status, 400 | 422) {
            return Vec::new();
        }
        let told = answer.json();
        let errors = if told["errors"].is_array() {
            &told["errors"]
        } else {
            &told["error"]["details"]["errors"]
        };
        let fields = errors.as_array().map(Vec::as_slice).unwrap_or_default();
        fields
            .iter()
            .map(|error| error["field"].as_str().unwrap().to_owned())
            .collect()
    }

    fn is_refused(&mut self, field: &str, value: Option<Value>) -> bool {
        let mut body = self.example.clone();
        if let Some((_, other)) = RIVALS.iter().find(|(one, _)| *one == field)
            && value.as_ref().is_some_and(|value| !value.is_null())
        {
            set(&mut body, other, None);
        }
        set(&mut body, field, value);
        let within = |found: &String| found == field || found.starts_with(&format!("{field}["));
        self.complaints(&body).iter().any(within)
    }

    #[track_caller]
    fn assert(&mut self, field: &str, value: Value, passes: bool) {
        let shown = value.to_string();
        let shown = shown.chars().take(60).collect::<String>();
        let refused = self.is_refused(field, Some(value));
        assert_eq!(refused, !passes, "{} {}: `{field}` = {shown}", self.method, self.path);
    }

    /// All that a schema says of an object's members.
    fn try_object(&mut self, schema: &Value, prefix: &str) {
        let schema = self.document.resolve(schema).clone();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, member) in schema["properties"].as_object().unwrap() {
            let field = format!("{prefix}{name}");
            let is_required = required.contains(&json!(name));
            let refused = self.is_refused(&field, None);
            let says_so = member.to_string().contains("Required") || member.to_string().contains("required if");
            assert_eq!(
                refused,
                is_required || (refused && says_so),
                "{} {field}: left out",
                self.path
            );
            assert!(!is_required || refused, "{} {field}: is required", self.path);
            if !is_required && !refused {
                self.assert(&field, Value::Null, true);
            }
            self.try_member(&field, member);
        }
        if schema["additionalProperties"] == json!(false) {
            self.assert(&format!("{prefix}unheard_of"), json!(1), false);
        } else {
            self.assert(&format!("{prefix}unheard_of"), json!(1), true);
        }
    }

    fn try_member(&mut self, field: &str, member: &Value) {
        let schema = self.schema_of(member);
        let kind = |name: &str| {
            let kinds = &schema["type"];
            *kinds == json!(name) || kinds.as_array().is_some_and(|kinds| kinds.contains(&json!(name)))
        };
        if kind("string") {
            self.try_text(field, &schema);
        } else if kind("integer") || kind("number") {
            self.assert(field, json!("3"), false);
            for (bound, step) in [("minimum", -1), ("maximum", 1)] {
                if let Some(last) = schema[bound].as_i64() {
                    self.assert(field, json!(last), true);
                    self.assert(field, json!(last + step), false);
                }
            }
        } else if kind("boolean") {
            self.assert(field, json!("true"), false);
            self.assert(field, json!(false), true);
        } else if kind("array") {
            self.try_list(field, &schema);
        } else if schema.get("properties").is_some() {
            self.assert(field, json!([]), false);
            self.try_object(&schema, &format!("{field}."));
        } else {
            assert!(kind("object"), "{field}: {schema}");
            self.assert(field, json!("{}"), false);
        }
    }

    /// The schema itself, without the possibility of `null`.
    fn schema_of(&self, member: &Value) -> Value {
        let named = member["oneOf"].as_array().map(|forms| {
            let not_null = forms.iter().find(|form| form["type"] != "null");
            not_null.unwrap()
        });
        self.document.resolve(named.unwrap_or(member)).clone()
    }

    fn try_text(&mut self, field: &str, schema: &Value) {
        self.assert(field, json!(7), false);
        if let Some(words) = schema["enum"].as_array() {
            for word in words.clone() {
                self.assert(field, word, true);
            }
            self.assert(field, json!("unheard of"), false);
        }
        if schema["pattern"].is_string() || schema["format"].is_string() {
            self.assert(field, json!("\u{7}"), false);
        }
        if let Some(max) = schema["maxLength"].as_u64() {
            let max = usize::try_from(max).unwrap();
            // Where other characters are allowed, a longer one: characters are counted, not bytes.
            let filler = if schema["pattern"]
                .as_str()
                .is_some_and(|pattern| pattern.contains("A-Z"))
            {
                "x"
            } else {
                "é"
            };
            self.assert(field, json!(filler.repeat(max)), true);
            self.assert(field, json!(filler.repeat(max + 1)), false);
        }
        // The other family takes empty text for absent.
        if schema["minLength"] == 1 && !self.path.starts_with("/api/v1") {
            self.assert(field, json!(""), false);
        }
        if let Some(examples) = schema["examples"].as_array() {
            for example in examples.clone() {
                self.assert(field, example, true);
            }
        }
    }

    fn try_list(&mut self, field: &str, schema: &Value) {
        self.assert(field, json!("text"), false);
        let item = self
            .example
            .pointer(&format!("/{}/0", field.replace('.', "/")))
            .cloned()
            .unwrap();
        let count = |bound: &str| usize::try_from(schema[bound].as_u64().unwrap()).unwrap();
        let (min, max) = (count("minItems"), count("maxItems"));
        self.assert(field, json!(vec![item.clone(); min]), true);
        self.assert(field, json!(vec![item.clone(); max]), true);
        self.assert(field, json!(vec![item; max + 1]), false);
        if min > 0 {
            self.assert(field, json!([]), false);
        }
        // What is wrong with an item of a batch is told in its result.
        if field != "requests" {
            self.assert(field, json!([7]), false);
        }
    }
}

/// Sets or removes a member by its path.
fn set(body: &mut Value, field: &str, value: Option<Value>) {
    let (parents, name) = field
        .rsplit_once('.')
        .map_or(("", field), |(parents, name)| (parents, name));
    let mut place = body;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        place = &mut place[parent];
    }
    let members = place.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
}

/// What the bodies name, so that they are judged to the end.
fn parents(service: &Service, customer: &str, app: &Value) -> Value {
    let minted = |kind: &str, body: Value| {
        let minted = service.post(&format!("/tokens/{kind}"), &body);
        assert_eq!(minted.status, 200, "{}", minted.text());
        minted.json()["jti"].clone()
    };
    let hash = &app["token_hash"];
    let bearer = minted("bearer", json!({"customer_id": customer, "app_token_hash": hash}));
    // `*:*:*`, the default, does not cover every pattern that is tried.
    let policy = json!({"allowed_actions": ["*"]});
    let agent = json!({"customer_id": customer, "bearer_jti": bearer, "agent_id": "parent", "rbac": policy});
    let agent = minted("agent", agent);
    json!({
        "customer_id": customer,
        "app_token_hash": hash,
        "bearer_jti": bearer,
        "parent_agent_jti": agent,
        "parent_jti": agent,
    })
}

#[test]
fn every_limit_of_every_body_is_the_codes_own() {
    let service = Service::credentialed();
    let customer = service.customer();
    let app = service.app(&customer, &["*"]);
    let key = app["token"].as_str().unwrap().to_owned();
    let parents = parents(&service, &customer, &app);
    // It is suspended on the way.
    let other = service.customer();
    let role = "role_0123456789abcdef0123456789abcdef";
    let document = Document::new(false);
    let (mut bodies, mut tried) = (0, 0);
    for (path, method) in document.operations() {
        let content = &document.operation(&path, &method)["requestBody"]["content"]["application/json"];
        if content.is_null() {
            continue;
        }
        let mut example = content["example"].clone();
        let is_permissions = path.starts_with("/api/v1");
        for (name, value) in parents.as_object().unwrap() {
            if example.get(name).is_some() {
                example[name] = value.clone();
            }
        }
        let uuid = "0195fd2c-7b9e-7c5f-a1b2-c3d4e5f60718";
        let shown = path.replace("{event_id}", "evt").replace("{admin_id}", "user");
        let shown = shown
            .replace("roles/{id}", &format!("roles/{role}"))
            .replace("{id}", &other);
        let mut trial = Trial {
            service: &service,
            document: &document,
            method: &method,
            path: shown
                .replace("{key_id}", uuid)
                .replace("{jti}", uuid)
                .replace("{session_jti}", uuid),
            credential: if is_permissions {
                ("x-api-key", key.clone())
            } else {
                ("authorization", format!("Bearer {ADMIN}"))
            },
            example,
            tried: 0,
        };
        assert_eq!(
            trial.complaints(&trial.example.clone()),
            Vec::<String>::new(),
            "{method} {path}: the example itself"
        );
        trial.try_object(&content["schema"], "");
        bodies += 1;
        tried += trial.tried;
    }
    assert!(bodies > 25 && tried > 600, "{bodies} bodies, {tried} requests");
}

/// The query parameters that are whole numbers: name, least and greatest value.
fn numbers(operation: &Value, document: &Document) -> Vec<(String, i128, i128)> {
    let parameters = operation["parameters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    in_query
        .filter_map(|parameter| {
            let schema = document.resolve(&parameter["schema"]);
            let bound = |bound: &str| schema[bound].as_i64().map(i128::from);
            let name = parameter["name"].as_str().unwrap().to_owned();
            (schema["type"] == "integer").then(|| (name, bound("minimum").unwrap(), bound("maximum").unwrap()))
        })
        .collect()
}

#[test]
fn every_limit_of_every_query_is_the_codes_own() {
    let service = Service::credentialed();
    let customer = service.customer();
    let app = service.app(&customer, &["*"]);
    // Something that the feed has to tell, or else it would wait as long as it is asked to.
    let revoked = service.app(&customer, &["*"])["jti"].as_str().unwrap().to_owned();
    let cascade = format!("/revocation/cascade/{revoked}?customer_id={customer}");
    assert_eq!(service.post(&cascade, &json!({})).status, 200);
    let key = app["token"].as_str().unwrap();
    let document = Document::new(false);
    let mut tried = BTreeMap::new();
    for (path, method) in document.operations() {
        let operator = format!("Bearer {ADMIN}");
        let (credential, own) = match path.starts_with("/api/v1") {
            true => (("x-api-key", key), String::new()),
            false => (("authorization", operator.as_str()), format!("&customer_id={customer}")),
        };
        let own = if path == "/customers" { String::new() } else { own };
        for (name, least, greatest) in numbers(document.operation(&path, &method), &document) {
            *tried.entry(name.clone()).or_insert(0) += 1;
            let assert = |value: String, passes: bool| {
                let shown = path.replace("{admin_id}", "user");
                let line = format!("{shown}?{name}={value}{own}");
                let answer = service.call(&method.to_uppercase(), &line, &[credential], None);
                let complains = matches!(answer.status, 400 | 422) && answer.text().contains(&format!("\"{name}\""));
                assert_eq!(!complains, passes, "{line}: {} {}", answer.status, answer.text());
                assert!(
                    !passes || answer.status == 200,
                    "{line}: {} {}",
                    answer.status,
                    answer.text()
                );
            };
            for (value, passes) in [
                (least, true),
                (least - 1, false),
                (greatest, true),
                (greatest + 1, false),
            ] {
                assert(value.to_string(), passes);
            }
            assert("x".to_owned(), false);
        }
    }
    assert!(
        tried["limit"] > 6 && tried["after"] > 0 && tried["wait"] > 0,
        "{tried:?}"
    );
}
