//! The calls of the public documentation, from its own text: only host, key and identifiers are replaced.

use serde_json::{Value, json};

use crate::support::{Answer, Service};

const DOCUMENT: &str = include_str!("seed.txt");

struct Curl {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// Splits a command as a shell does: blanks part, quotes hold together, a backslash joins lines.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in text.replace("\\\n", " ").chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, _) if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(character),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The commands of the document. Each ends at the call of the library in another language that follows it.
fn curls() -> Vec<Curl> {
    let commands = DOCUMENT.split("\ncurl ").skip(1);
    let commands = commands.map(|rest| rest.split("\nawait ").next().unwrap().split("\nconst ").next().unwrap());
    commands
        .map(|command| {
            let mut curl = Curl {
                method: "GET".to_owned(),
                path: String::new(),
                headers: Vec::new(),
                body: None,
            };
            let mut words = words(command).into_iter();
            while let Some(word) = words.next() {
                match word.as_str() {
                    "-X" => curl.method = words.next().unwrap(),
                    "-H" => {
                        let header = words.next().unwrap();
                        let (name, value) = header.split_once(": ").unwrap();
                        curl.headers.push((name.to_owned(), value.to_owned()));
                    }
                    "-d" => curl.body = Some(words.next().unwrap()),
                    url => curl.path = url.strip_prefix("https://api.platformxe.com").unwrap().to_owned(),
                }
            }
            curl
        })
        .collect()
}

fn run(service: &Service, key: &str, curl: &Curl) -> Answer {
    let replaced = curl.headers.iter().map(|(name, value)| {
        let value = if value == "pxk_live_your_api_key_here" {
            key
        } else {
            value
        };
        (name.as_str(), value)
    });
    service.call(
        &curl.method,
        &curl.path,
        &replaced.collect::<Vec<_>>(),
        curl.body.as_deref(),
    )
}

fn names(object: &str) -> Vec<String> {
    // The documented names are no prefix of anything else in the answer, so their places are their order.
    let mut names: Vec<_> = [
        "id",
        "adminId",
        "path",
        "action",
        "effect",
        "reason",
        "expiresAt",
        "createdAt",
        "status",
    ]
    .into_iter()
    .map(|name| (object.find(&format!("\"{name}\":")).unwrap(), name.to_owned()))
    .collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn the_three_documented_calls_work_as_they_are_written() {
    let mut service = Service::start();
    let key = service.organisation().text;
    let [create, list, delete] = &mut curls()[..] else {
        panic!("three calls are documented")
    };
    let answer = run(&service, &key, create);
    let expected = [
        "id",
        "adminId",
        "path",
        "action",
        "effect",
        "reason",
        "expiresAt",
        "createdAt",
        "status",
    ];
    assert_eq!(names(&answer.text), expected);
    let made = answer.data(201);
    let sent: Value = serde_json::from_str(create.body.as_ref().unwrap()).unwrap();
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_eq!(
        (&made["createdAt"], &made["status"]),
        (&json!("2026-03-01T00:00:00.000Z"), &json!("active"))
    );
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.strip_prefix("ovr_").is_some_and(|random| random.len() >= 16));

    service.restart();
    let listed = run(&service, &key, list).data(200);
    assert_eq!(listed, json!({"overrides": [made]}));

    delete.path = delete.path.replace("ovr_abc123", &id);
    assert_eq!(
        run(&service, &key, delete).data(200),
        json!({"deleted": true, "id": id})
    );
    run(&service, &key, delete).refused(404, "NOT_FOUND");
    assert_eq!(run(&service, &key, list).data(200), json!({"overrides": []}));
}
