//! Whatever a test is answered, the API document tells of: its status, and the code of a refusal. So a status or a code that is new,
//! or that was taken out of the document, is found by the test that meets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

/// By path and method the statuses of the answers, each with the codes that a refusal of it may have.
type Described = BTreeMap<(Vec<String>, String), BTreeMap<u16, BTreeSet<String>>>;

static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let document = serde_json::to_value(countersign::openapi::document(true)).unwrap();
    let mut described = Described::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap().iter();
            let answers = responses.map(|(status, response)| (status.parse().unwrap(), codes(&document, response)));
            described.insert((parts(path), method.to_uppercase()), answers.collect());
        }
    }
    described
});

fn parts(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

fn codes(document: &Value, response: &Value) -> BTreeSet<String> {
    let response = match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => response,
    };
    let schemas = &response["content"]["application/problem+json"]["schema"]["allOf"];
    let words = schemas.as_array().into_iter().flatten();
    let words = words
        .filter_map(|schema| schema["properties"]["code"]["enum"].as_array())
        .flatten();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Asserts that the answer to `METHOD /path` is described. What meets no operation is left out, and 405, which is described for all.
#[track_caller]
pub(crate) fn assert_described(line: &str, status: u16, body: &[u8]) {
    let (method, path) = line.split_once(' ').unwrap();
    let method = if method == "HEAD" { "GET" } else { method };
    let asked = parts(path.split('?').next().unwrap());
    let is_of = |((known, of), _): &(&(Vec<String>, String), _)| {
        let same = |(known, part): (&String, &String)| known == part || (known.starts_with('{') && !part.is_empty());
        of == method && known.len() == asked.len() && known.iter().zip(&asked).all(same)
    };
    let found = DESCRIBED.iter().filter(is_of).filter(|_| status != 405);
    let Some((_, answers)) = found.min_by_key(|((known, _), _)| known.concat().matches('{').count()) else {
        return;
    };
    let text = String::from_utf8_lossy(body);
    let described = answers.get(&status);
    let described = described.unwrap_or_else(|| panic!("{line} is not said to answer {status}: {text}"));
    let code = serde_json::from_slice::<Value>(body).ok();
    let code = code.and_then(|body| body["code"].as_str().filter(|_| status >= 400).map(str::to_owned));
    assert!(
        code.is_none_or(|code| described.contains(&code)),
        "{line} is not said to be refused so: {text}"
    );
}
