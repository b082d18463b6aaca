//! The README's walk is run as it stands: every line of it, twice, on the same data.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use countersign_actors::clock::{Clock, SystemClock};
use countersign_actors::{TokenKind, keys_of_jwks, verify_offline};

const README: &str = include_str!("../README.md");
const ROUTES: &str = concat!(
    include_str!("../src/routes.rs"),
    include_str!("../src/routes/permissions.rs")
);
const SERVE: &str = "cargo run --release\n";
const BOOTSTRAP: &str = "cargo run --release --quiet -- bootstrap";
const ADDRESS: &str = "http://127.0.0.1:8001";

/// The README's fenced blocks of shell commands: what stands behind `sh` in the fence, and the lines.
fn shell_blocks() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```sh") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((kind.trim(), format!("{}\n", block.join("\n"))));
    }
    blocks
}

/// No variables of the developer's own, and no proxy between a client and this machine.
fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
        command.env_remove(name);
    }
    command.env("no_proxy", "*").env("NO_PROXY", "*")
}

struct Service {
    process: Child,
    address: String,
}

impl Service {
    fn start(directory: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        clean(&mut command).current_dir(directory).env("AUTH_PORT", "0");
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, address }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Without a warning: what was answered has to be there at the next start all the same.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn python_has_pyjwt() -> bool {
    let imported = Command::new("python3")
        .args(["-c", "import jwt, cryptography"])
        .output();
    imported.is_ok_and(|output| output.status.success())
}

/// The blocks of the walk as one script that stops at the first failure.
fn walk(service: &Service, with_pyjwt: bool) -> String {
    let mut script = "set -euo pipefail\n".to_owned();
    let mut substituted = 0;
    for (kind, block) in shell_blocks() {
        match kind {
            "walk" => script.push_str(&block),
            "walk pyjwt" if with_pyjwt => script.push_str(&block),
            "walk pyjwt" | "serve" | "tests" | "long" | "examples" => {}
            other => panic!("`sh {other}` says neither that it is part of the walk nor that it is not"),
        }
        substituted += block.matches(BOOTSTRAP).count() + block.matches(ADDRESS).count();
    }
    assert_eq!(substituted, 2, "the address and bootstrap stand in the walk once each");
    script.push_str("printf %s \"$AGENT_TOKEN\" > agent.token\n");
    script
        .replace(BOOTSTRAP, "\"$COUNTERSIGN\" bootstrap")
        .replace(ADDRESS, &service.address)
}

fn run_walk(directory: &Path, with_pyjwt: bool) -> String {
    let service = Service::start(directory);
    let port = service.address.rsplit_once(':').unwrap().1;
    let mut command = Command::new("bash");
    clean(&mut command)
        .current_dir(directory)
        .env("COUNTERSIGN", env!("CARGO_BIN_EXE_countersign"))
        .env("AUTH_PORT", port)
        .args(["-c", &walk(&service, with_pyjwt)]);
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the walk fails\n{shown}\n{told}");
    shown
}

/// What the walk ends with: an agent token that the crate verifies with the published keys alone.
fn assert_verified(directory: &Path) -> String {
    let token = fs::read_to_string(directory.join("agent.token")).unwrap();
    let keys = keys_of_jwks(&fs::read_to_string(directory.join("jwks.json")).unwrap()).unwrap();
    let now = u64::try_from(SystemClock.now().seconds().get()).unwrap();
    let verified = verify_offline(&token, &keys, now).unwrap();
    assert_eq!(verified.kind, TokenKind::Agent);
    assert_eq!(verified.claims["agent_id"], "code-review-agent");
    assert_eq!(verified.claims["rbac"]["denied_actions"][0], "data:write:*");
    assert_eq!(verified.expires_at - verified.issued_at, 24 * 3_600);
    verified.jti.to_string()
}

#[test]
fn the_walk_ends_with_a_verified_agent_token_and_can_be_repeated() {
    let with_pyjwt = python_has_pyjwt();
    if !with_pyjwt {
        // Past the test runner's capture, so that it is seen although the test passes.
        let note = "docs: NOT RUN: the README's PyJWT block, because python3 cannot import jwt and cryptography";
        writeln!(io::stderr(), "{note}").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let first = run_walk(directory.path(), with_pyjwt);
    let first_jti = assert_verified(directory.path());
    let second = run_walk(directory.path(), with_pyjwt);
    assert_ne!(first_jti, assert_verified(directory.path()));
    for shown in [first, second] {
        assert!(
            shown.contains("signing_key_exists"),
            "the key stands after bootstrap: {shown}"
        );
        assert!(shown.lines().any(|line| line == "1"), "the subagent's depth: {shown}");
        assert!(shown.lines().any(|line| line == "permission_escalation"), "{shown}");
        let end = shown.split("True\n2\nFalse\n").nth(1);
        let end = end.unwrap_or_else(|| panic!("active, a cascade of two, not active: {shown}"));
        assert!(
            end.contains(r#""effect":"DENY""#) && end.contains(r#""source":"override_deny""#),
            "{end}"
        );
        assert_eq!(shown.contains("verified: code-review-agent"), with_pyjwt, "{shown}");
    }
}

#[test]
fn the_commands_to_serve_and_to_test_are_one_line_each() {
    let blocks = shell_blocks();
    let of = |wanted: &str| -> Vec<&str> {
        let found = blocks.iter().filter(|(kind, _)| *kind == wanted);
        found.map(|(_, block)| block.as_str()).collect()
    };
    assert_eq!(of("serve"), [SERVE]);
    assert_eq!(of("tests"), ["cargo test --workspace\n"]);
    assert!(README.contains(ADDRESS));
}

#[test]
fn every_endpoint_that_the_readme_names_is_served() {
    let mut named = 0;
    for text in README.split('`') {
        let Some((method, path)) = text.split_once(' ') else {
            continue;
        };
        if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) || path.contains(char::is_whitespace) {
            continue;
        }
        let call = format!(".{}(", method.to_ascii_lowercase());
        let route = format!("at(\"{path}\")");
        assert!(
            ROUTES
                .split("service(")
                .any(|service| service.contains(&route) && service.contains(&call)),
            "{method} {path} is not served"
        );
        named += 1;
    }
    assert!(named > 10, "the table of endpoints is there");
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let layout = architecture.split("## Layout").nth(1).unwrap();
    let layout = layout.split("\n## ").next().unwrap();
    let mut named = 0;
    for line in layout.lines().filter_map(|line| line.strip_prefix("- `")) {
        let (path, _) = line.split_once('`').unwrap();
        assert!(root.join(path).exists(), "{path}");
        named += 1;
    }
    assert!(named > 20, "the layout is there");
}

/// The text of every test in the repository.
fn test_sources() -> String {
    fn walk(directory: &Path, text: &mut String) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    for directory in ["tests", "actors/tests", "actors/src"] {
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut text);
    }
    text
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let guarantees = include_str!("../docs/guarantees.md");
    let sources = test_sources();
    let mut named = 0;
    for name in guarantees.split('`').skip(1).step_by(2) {
        // Names of tests are sentences.
        if name.matches('_').count() > 3 {
            assert!(sources.contains(&format!("fn {name}()")), "{name}");
            named += 1;
        }
    }
    assert!(named > 20, "each guarantee is shown by a test");
}
