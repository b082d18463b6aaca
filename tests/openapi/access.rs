//! Who may call by the document may call, and nobody else: with each credential in the form that its scheme describes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::document::Document;
use crate::service::{ADMIN, Answer, Service};

/// An operation, and a call of it about a customer and otherwise about things that nobody has.
struct Operation<'d> {
    document: &'d Document,
    name: String,
    described: &'d Value,
    method: String,
    path: String,
    body: Option<String>,
}

impl<'d> Operation<'d> {
    fn all(document: &'d Document, customer: &str) -> Vec<Self> {
        let of = |(path, method): (String, String)| Self::of(document, &path, &method, customer);
        document.operations().into_iter().map(of).collect()
    }

    fn of(document: &'d Document, path: &str, method: &str, customer: &str) -> Self {
        let described = document.operation(path, method);
        let mut body = described["requestBody"]["content"]["application/json"]["example"].clone();
        if body.get("customer_id").is_some() {
            body["customer_id"] = customer.into();
        }
        // An explanation needs a scope more, as is said of it.
        if let Some(members) = body.as_object_mut() {
            members.remove("explain");
        }
        let mut shown = path
            .replace("{file}", "swagger-ui.css")
            .replace("roles/{id}", "roles/viewer")
            .replace("customers/{id}", &format!("customers/{customer}"));
        while let Some((before, (_, after))) = shown
            .split_once('{')
            .map(|(b, rest)| (b, rest.split_once('}').unwrap()))
        {
            shown = format!("{before}{}{after}", uuid::Uuid::new_v4());
        }
        Self {
            document,
            name: format!("{method} {path}"),
            described,
            method: method.to_uppercase(),
            path: shown,
            body: body.is_object().then(|| body.to_string()),
        }
    }

    /// The schemes of which one is needed, and whether none at all will do as well.
    fn schemes(&self) -> (BTreeSet<&'d str>, bool) {
        let needed = self.described["security"].as_array().unwrap();
        let names = needed.iter().flat_map(|one| one.as_object().unwrap().keys());
        let names: BTreeSet<_> = names.map(String::as_str).collect();
        (names, needed.is_empty() || needed.contains(&serde_json::json!({})))
    }

    /// The scope that its description tells of.
    fn scope(&self) -> Option<&'d str> {
        let description = self.described["description"].as_str().unwrap();
        let (_, scope) = description.split_once("the scope `")?;
        scope.split('`').next()
    }

    fn call(&self, service: &Service, header: Option<(&str, &str)>) -> Answer {
        let mut headers: Vec<_> = header.into_iter().collect();
        headers.extend(self.body.is_some().then_some(("content-type", "application/json")));
        service.call(&self.method, &self.path, &headers, self.body.as_deref())
    }

    /// The same with a credential, in the form that the scheme describes.
    fn call_with(&self, service: &Service, scheme: &str, credential: &str) -> Answer {
        let form = &self.document.json()["components"]["securitySchemes"][scheme];
        match (form["type"].as_str(), form["scheme"].as_str(), form["in"].as_str()) {
            (Some("http"), Some("bearer"), _) => {
                self.call(service, Some(("authorization", &format!("Bearer {credential}"))))
            }
            (Some("apiKey"), _, Some("header")) => {
                self.call(service, Some((form["name"].as_str().unwrap(), credential)))
            }
            _ => panic!("{}: `{scheme}` is {form}", self.name),
        }
    }
}

/// Whether it went past the question of who calls.
#[track_caller]
fn is_admitted(answer: &Answer) -> bool {
    let status = answer.status;
    assert!(status < 500 && status != 429, "{status}: {}", answer.text());
    // A check that denies succeeds with 403.
    !matches!(status, 401 | 403) || answer.text().starts_with("{\"success\":true")
}

#[test]
fn without_a_credential_just_what_is_said_to_be_open_is_open() {
    for (service, is_open) in [(Service::open(), true), (Service::credentialed(), false)] {
        let document = Document::new(is_open);
        let mut refused = 0;
        for operation in Operation::all(&document, &uuid::Uuid::new_v4().to_string()) {
            let answer = operation.call(&service, None);
            let (_, needs_none) = operation.schemes();
            assert_eq!(is_admitted(&answer), needs_none, "{}: {answer:?}", operation.name);
            assert!(needs_none || answer.status == 401, "{}: {answer:?}", operation.name);
            refused += u32::from(!needs_none);
        }
        assert!(refused > 10, "{refused}");
    }
}

#[test]
fn the_admin_credential_opens_just_what_is_said() {
    let service = Service::credentialed();
    let document = Document::new(false);
    for operation in Operation::all(&document, &uuid::Uuid::new_v4().to_string()) {
        let (schemes, needs_none) = operation.schemes();
        let expected = needs_none || schemes.contains("operator");
        let answer = operation.call_with(&service, "operator", ADMIN);
        assert_eq!(is_admitted(&answer), expected, "{}: {answer:?}", operation.name);
    }
}

#[test]
fn an_app_token_opens_just_what_its_scopes_are_said_to_open() {
    let service = Service::credentialed();
    let document = Document::new(false);
    let customer = service.customer();
    let app = |scopes: &[&str]| service.app(&customer, scopes)["token"].as_str().unwrap().to_owned();
    let words = document.json()["components"]["schemas"]["ScopeWord"]["enum"]
        .as_array()
        .unwrap();
    let words: Vec<_> = words
        .iter()
        .map(|word| word.as_str().unwrap())
        .filter(|word| *word != "*")
        .collect();
    let everything = app(&["*"]);
    // A token with this scope alone, and one with all the others.
    let tokens: BTreeMap<&str, (String, String)> = words
        .iter()
        .map(|scope| {
            let others: Vec<_> = words.iter().copied().filter(|other| other != scope).collect();
            (*scope, (app(&[*scope]), app(&others)))
        })
        .collect();
    let mut scopes = BTreeSet::new();
    for operation in Operation::all(&document, &customer) {
        let (schemes, needs_none) = operation.schemes();
        if needs_none {
            continue;
        }
        let own: Vec<_> = ["app_token", "api_key", "api_key_bearer"]
            .into_iter()
            .filter(|scheme| schemes.contains(scheme))
            .collect();
        if own.is_empty() {
            let answer = operation.call_with(&service, "app_token", &everything);
            assert_eq!(answer.status, 403, "{}", operation.name);
        }
        for scheme in own {
            let call = |token: &str| operation.call_with(&service, scheme, token);
            let Some(scope) = operation.scope() else {
                assert!(
                    tokens.values().all(|(only, _)| is_admitted(&call(only))),
                    "{}",
                    operation.name
                );
                continue;
            };
            scopes.insert(scope);
            let (only, others) = &tokens[scope];
            let answer = call(only);
            assert!(
                is_admitted(&answer),
                "{}, {scheme}, {scope}: {answer:?}",
                operation.name
            );
            let answer = call(others);
            // A bearer token's parent is an app token, whatever its scopes.
            let is_parent = operation.name == "post /tokens/bearer";
            let is_refused = is_parent || (answer.status == 403 && !is_admitted(&answer));
            assert!(is_refused, "{}, {scheme}, without {scope}: {answer:?}", operation.name);
        }
    }
    let words: BTreeSet<_> = words.into_iter().collect();
    assert_eq!(scopes, words, "every scope opens something");
}

#[test]
fn the_schemes_that_are_named_are_those_that_are_described() {
    for is_open in [false, true] {
        let document = Document::new(is_open);
        let operations = Operation::all(&document, "");
        let named: BTreeSet<_> = operations.iter().flat_map(|operation| operation.schemes().0).collect();
        let described = document.json()["components"]["securitySchemes"].as_object().unwrap();
        let described: BTreeSet<_> = described.keys().map(String::as_str).collect();
        assert_eq!(named, described);
    }
}
