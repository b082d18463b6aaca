//! Rules on the source itself: who may name what, how long a file or a function may be, and what must not stand anywhere.
//!
//! The table of who may know what is the design's; an exception stands here with its reason.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// A source file.
struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
    /// The text with comments and the insides of literals blanked, line for line the same.
    code: String,
    /// Lines before its own tests; none of a file that is a test.
    production_lines: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let code = blanked(&text);
        // Examples time themselves and stop at the first surprise, as tests do.
        let is_test = path
            .split('/')
            .any(|part| ["tests", "tests.rs", "examples"].contains(&part))
            || path.starts_with("benches/");
        let production_lines = if is_test { 0 } else { lines_before_tests(&code) };
        Self {
            path,
            text,
            code,
            production_lines,
        }
    }

    /// `path:line` of every line of its code for which `offends` says so, outside tests.
    fn production_offences(&self, offends: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.code.lines().take(self.production_lines).enumerate();
        let offences = lines.filter(|(_, line)| offends(line));
        offences
            .map(|(at, line)| format!("{}:{}: {}", self.path, at + 1, line.trim()))
            .collect()
    }

    fn is_under(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// The lines before a module of tests, or all.
fn lines_before_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let begins = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(begins).unwrap_or(lines.len())
}

/// Blanks comments and the insides of texts and characters, and keeps every line break.
fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            text_length(rest)
        } else if let Some(length) = (!after_word).then(|| raw_text_length(rest)).flatten() {
            length
        } else if first == '\'' {
            character_length(rest)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (literal, remainder) = rest.split_at(skipped);
        code.extend(literal.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = remainder;
    }
    code
}

/// Bytes of the text literal that this begins with.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of the raw text literal that this begins with, if it does: `r"…"`, `br#"…"#`.
fn raw_text_length(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end)? + end.len();
    Some(rest.len() - body.len() + length)
}

/// Bytes of the character literal that this begins with; of a lifetime, only its quote.
fn character_length(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some(_)) => escaped_length(rest),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Bytes of `'\…'`, where the character after the backslash may be a quote itself.
fn escaped_length(rest: &str) -> usize {
    let from = 2 + rest[2..].chars().next().map_or(0, char::len_utf8);
    rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
}

/// Whether `name` stands in the code as a word of its own.
fn names(code: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Every source file of the repository.
fn sources() -> Vec<Source> {
    fn walk(root: &Path, directory: &Path, found: &mut Vec<Source>) {
        let mut entries: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source::read(root, &path));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for directory in ["src", "actors", "tests", "benches"] {
        if root.join(directory).is_dir() {
            walk(root, &root.join(directory), &mut found);
        }
    }
    assert!(found.len() > 50, "there is something to look at");
    found
}

#[track_caller]
fn assert_none(what: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{what}:\n  {}\n", offences.join("\n  "));
}

/// Offences of naming `words` in production code outside `places`.
fn named_outside(words: &[&str], places: &[&str]) -> Vec<String> {
    let sources = sources();
    let outside = sources.iter().filter(|source| !source.is_under(places));
    outside
        .flat_map(|source| source.production_offences(|line| words.iter().any(|word| names(line, word))))
        .collect()
}

#[test]
fn http_is_known_at_the_edge_only() {
    assert_none(
        "HTTP below the edge",
        named_outside(&["actix_web", "StatusCode"], &["src/"]),
    );
    let everywhere = sources();
    let engine_tests = everywhere.iter().filter(|source| source.is_under(&["actors/"]));
    let offences = engine_tests
        .filter(|source| names(&source.code, "actix_web"))
        .map(|source| source.path.clone());
    assert_none("HTTP in a test of the engine", offences.collect());
}

#[test]
fn actors_are_known_in_three_places() {
    let places = [
        "actors/src/engine.rs",
        "actors/src/engine/",
        "actors/src/supervisor.rs",
        "actors/src/supervisor/",
        "actors/src/tenant/actor.rs",
    ];
    assert_none("actors elsewhere", named_outside(&["actix", "actix_rt"], &places));
}

#[test]
fn the_store_is_known_in_one_module() {
    let places = ["actors/src/journal/sled_store.rs", "actors/src/journal/sled_store/"];
    assert_none("sled elsewhere", named_outside(&["sled"], &places));
}

#[test]
fn cryptography_is_known_in_one_directory() {
    let libraries = ["p256", "aws_lc_rs", "jsonwebtoken"];
    let places = [
        "actors/src/crypto",
        // Which implementation TLS is given.
        "src/tls.rs",
    ];
    assert_none("cryptography elsewhere", named_outside(&libraries, &places));
}

#[test]
fn tls_is_known_where_certificates_are_read_served_and_asked_for() {
    let libraries = ["rustls", "rustls_native_certs", "x509_parser"];
    let places = ["src/tls", "src/server/", "src/cli/service/tls.rs"];
    assert_none("TLS elsewhere", named_outside(&libraries, &places));
}

#[test]
fn the_api_document_is_known_in_two_directories() {
    let places = ["src/openapi", "src/wire"];
    assert_none("the API document elsewhere", named_outside(&["utoipa"], &places));
}

#[test]
fn the_form_of_metrics_and_spans_is_known_in_one_file_each() {
    assert_none(
        "metrics named elsewhere",
        named_outside(&["prometheus_client"], &["src/metrics/page.rs"]),
    );
    let libraries = [
        "opentelemetry",
        "opentelemetry_sdk",
        "opentelemetry_otlp",
        "opentelemetry_http",
    ];
    assert_none(
        "spans exported elsewhere",
        named_outside(&libraries, &["src/traces/otlp.rs"]),
    );
}

#[test]
fn time_and_randomness_come_in_as_values() {
    let places = [
        "actors/src/clock.rs",
        "actors/src/crypto",
        // How long a shutdown may take is a matter of the process and not of any tenant.
        "actors/src/engine.rs",
        // How long a request took, for the access log and the metrics.
        "src/border/call.rs",
        // When a span ended, for the collector.
        "src/traces/otlp.rs",
        // How long a commit took, and when free space was last looked at: measurements that decide no command.
        "actors/src/journal",
    ];
    let words = ["SystemTime", "Utc::now", "Instant::now", "getrandom", "rand"];
    assert_none("time or randomness elsewhere", named_outside(&words, &places));
}

#[test]
fn the_environment_is_read_by_the_configuration() {
    let words = ["std::env", "env::var", "env::vars_os", "env::var_os"];
    assert_none("the environment elsewhere", named_outside(&words, &["src/config"]));
}

#[test]
fn neighbours_do_not_import_each_other() {
    let sources = sources();
    let mut offences = Vec::new();
    for (directory, parent) in [("src/routes/", "routes"), ("actors/src/commands/", "commands")] {
        let siblings: Vec<&Source> = sources
            .iter()
            .filter(|source| source.path.starts_with(directory))
            .collect();
        assert!(siblings.len() > 2, "{directory}");
        let stem = |source: &Source| source.path[directory.len()..].trim_end_matches(".rs").to_owned();
        let stems: Vec<String> = siblings.iter().map(|source| stem(source)).collect();
        for source in siblings {
            let own = stem(source);
            let others: Vec<String> = stems.iter().filter(|other| **other != own).cloned().collect();
            let imports = |line: &str| {
                let from = |other: &String| {
                    names(line, &format!("super::{other}")) || names(line, &format!("{parent}::{other}"))
                };
                others.iter().any(from)
            };
            offences.extend(source.production_offences(imports));
        }
    }
    assert_none("a neighbour is imported", offences);
}

#[test]
fn files_are_short() {
    let sources = sources();
    let long = sources.iter().filter(|source| source.production_lines > FILE_LINES_MAX);
    let offences = long.map(|source| format!("{}:{}: lines before its tests", source.path, source.production_lines));
    assert_none(&format!("over {FILE_LINES_MAX} lines"), offences.collect());
}

/// First line and number of lines of every function with a body.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let word_before = code[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        let is_named = code[at + 3..].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if word_before || !is_named {
            continue;
        }
        let Some(open) = code[at..]
            .find(['{', ';'])
            .filter(|open| code[at + open..].starts_with('{'))
        else {
            continue;
        };
        let mut depth = 0_usize;
        let end = code[at + open..].find(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let body = &code[at..at + open + end.unwrap_or(0)];
        let line = code[..at].matches('\n').count() + 1;
        found.push((line, body.matches('\n').count() + 1));
    }
    found
}

#[test]
fn functions_are_short() {
    let mut offences = Vec::new();
    for source in sources() {
        for (line, lines) in functions(&source.code) {
            // A test is read from top to bottom, once, by whoever broke it.
            if line <= source.production_lines && lines > FUNCTION_LINES_MAX {
                offences.push(format!("{}:{line}: {lines} lines", source.path));
            }
        }
    }
    assert_none(&format!("over {FUNCTION_LINES_MAX} lines"), offences);
}

#[test]
fn nothing_is_unfinished_or_silenced() {
    let mut offences = Vec::new();
    for source in sources() {
        for (at, line) in source.code.lines().enumerate() {
            let macros = ["todo!", "unimplemented!", "dbg!", "#[allow(", "#![allow("];
            if macros.iter().any(|word| line.contains(word)) {
                offences.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
        offences.extend(source.production_offences(|line| line.contains(".unwrap()") || line.contains(".expect(")));
    }
    assert_none("unfinished, silenced or careless", offences);
}

#[test]
fn no_comment_waits_for_something_to_be_done_or_names_a_tracker() {
    // Put together, so that they do not stand here.
    let words = [
        concat!("git", "hub"),
        concat!("git", "lab"),
        concat!("ji", "ra"),
        concat!("bug", "zilla"),
        concat!("issue ", "#"),
        concat!("issues", "/"),
        concat!("pull ", "request"),
        concat!("tick", "et"),
        concat!("to", "do:"),
        concat!("fix", "me"),
    ];
    let mut offences = Vec::new();
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            if words.iter().any(|word| lower.contains(word)) {
                offences.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    assert_none("a comment that belongs elsewhere", offences);
}

#[test]
fn the_reader_of_these_rules_reads_rust() {
    let code = blanked(
        "let a = \"x // y\"; // sled\nlet b = 'a'; /* p256\n */ let c = r#\"\"dbg!\"#; let d = '\\''; fn e<'a>() {}",
    );
    assert_eq!(code.lines().count(), 3);
    for gone in ["x", "sled", "p256", "dbg", "'a'"] {
        assert!(!code.contains(gone), "{gone}: {code}");
    }
    for kept in ["let a =", "let b =", "let c =", "let d =", "a>() {}"] {
        assert!(code.contains(kept), "{kept}: {code}");
    }
    assert!(names("use actix::Addr", "actix") && !names("use actix_web::web", "actix"));
    assert_eq!(functions("fn a() {\n  if x {\n  }\n}\ntrait T { fn b(); }\n"), [(1, 4)]);
    assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    assert_eq!(lines_before_tests("#[cfg(test)]\nmod tests;\nb\n"), 3);
}
