//! The pages under `docs/`: their commands are run as they stand, and what they print is compared with what the pages show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod links;
mod page;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use countersign_actors::TokenKind;

use page::{Directory, Page, Service};

const ADMIN: &str = "an-admin-token-of-over-thirty-two-characters";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether what needs Node.js is run. Only where a change is let in must it not be left out.
fn with_node() -> bool {
    let found = Command::new("node").arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "node is missing: install Debian's nodejs"
    );
    // Past the test runner's capture, so that it is seen although the test passes.
    let note = "guides: NOT RUN: what needs Node.js (apt-get install nodejs)";
    writeln!(io::stderr().lock(), "{note}").unwrap();
    false
}

#[test]
fn getting_started_ends_with_a_verified_and_a_revoked_token() {
    Page::read("docs/getting-started.md").run();
}

#[test]
fn the_page_of_tokens_shows_what_happens() {
    Page::read("docs/tokens.md").run();
}

#[test]
fn the_page_of_human_overrides_shows_what_happens() {
    Page::read("docs/overrides.md").run();
}

#[test]
fn the_page_of_permissions_shows_what_happens() {
    Page::read("docs/permissions.md").run();
}

#[test]
fn the_page_of_security_shows_what_happens() {
    Page::read("docs/security.md").run();
}

#[test]
fn the_walk_is_shown_as_it_goes_in_open_mode() {
    Page::read("docs/api/README.md").run();
}

#[test]
fn the_walks_in_three_languages_print_the_same_with_an_admin_token() {
    let page = Page::read("docs/api/README.md");
    let shown = |info: &str| page.of(info).first().unwrap().text.clone();
    let expected = shown("text output");
    let directory = Directory::new();
    let service = Service::start(
        &directory,
        &format!("AUTH_ADMIN_TOKEN={ADMIN} ./target/release/countersign"),
    );
    let walk = |program: &str| {
        let mut command = service.client("bash", &directory);
        command.env("AUTH_CLIENT_CREDENTIAL", ADMIN).args(["-c", program]);
        page::output(&mut command)
    };
    assert_eq!(walk("docs/api/walk.sh"), expected);
    assert_eq!(walk("docs/api/walk.py"), expected);
    if with_node() {
        assert_eq!(walk("docs/api/walk.mjs"), expected + &shown("text offline"));
    }
    let without = service.client("docs/api/walk.py", &directory).output().unwrap();
    assert!(!without.status.success(), "the walk needs the admin token");
}

#[test]
fn an_offline_verifier_refuses_wrong_tokens_and_follows_every_kind_of_revocation() {
    if with_node() {
        let mut command = Command::new("node");
        command.arg(root().join("tests/guides/offline.mjs"));
        page::output(command.arg(root().join("docs/api/offline.mjs")));
    }
}

#[test]
fn the_table_of_kinds_is_the_one_that_the_engine_has() {
    let text = fs::read_to_string(root().join("docs/tokens.md")).unwrap();
    for kind in TokenKind::ALL {
        let unit = kind.ttl_field().strip_prefix("ttl_").unwrap();
        let row = format!(
            "| {kind} | `{}` | {} {unit} | {} {unit} | `{}` |",
            kind.prefix(),
            kind.default_ttl_seconds() / kind.ttl_unit_seconds(),
            kind.max_ttl_seconds() / kind.ttl_unit_seconds(),
            kind.ttl_field(),
        );
        assert!(text.contains(&row), "{row}");
    }
}
