//! A page, and its commands run in order against a service of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{root, with_node};

const ADDRESS: &str = "http://127.0.0.1:8001";
const SERVE: &str = "./target/release/countersign\n";
const BUILD: &str = "cargo build --release --locked\n";
/// Stands between the outputs of two blocks.
const MARK: &str = "=== the next block ===";

/// What stands between two fences.
pub(crate) struct Block {
    pub(crate) info: String,
    pub(crate) text: String,
}

pub(crate) struct Page {
    path: &'static str,
    blocks: Vec<Block>,
}

impl Page {
    pub(crate) fn read(path: &'static str) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let mut lines = text.lines();
        let mut blocks = Vec::new();
        while let Some(line) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                blocks.push(Block {
                    info: info.to_owned(),
                    text: format!("{}\n", block.join("\n")),
                });
            }
        }
        Self { path, blocks }
    }

    pub(crate) fn of(&self, info: &str) -> Vec<&Block> {
        self.blocks.iter().filter(|block| block.info == info).collect()
    }

    /// Each block of commands that is run, with what the page shows as its output.
    fn steps(&self) -> Vec<(&str, &str)> {
        let mut steps: Vec<(&str, &str)> = Vec::new();
        let mut may_show = false;
        let with_node = self.of("sh walk node").is_empty() || with_node();
        for Block { info, text } in &self.blocks {
            let is_run = info == "sh walk" || (info == "sh walk node" && with_node);
            match info.as_str() {
                _ if is_run => steps.push((text, "")),
                "text output" if may_show => steps.last_mut().unwrap().1 = text,
                // The output of a block that is left out.
                "text output" if !with_node => {}
                "text output" => panic!("{}: an output without commands before it: {text}", self.path),
                "sh build" => assert_eq!(text, BUILD),
                // What comes from elsewhere is not fetched by a test.
                "sh install" => _ = output(Command::new("bash").args(["-n", "-c", text])),
                "sh serve" | "sh walk node" | "mermaid" | "text" | "text offline" => {}
                other => panic!("{}: `{other}` does not say what becomes of the block", self.path),
            }
            may_show = is_run;
        }
        steps
    }

    /// Runs the page's commands as one script, which stops at the first failure.
    pub(crate) fn run(&self) {
        let directory = Directory::new();
        let serve = self.of("sh serve");
        let serve = serve.first().map_or(SERVE, |block| &block.text);
        let service = Service::start(&directory, serve);
        let steps = self.steps();
        assert!(!steps.is_empty(), "{}", self.path);
        let mut script = "set -euo pipefail\n".to_owned();
        for (commands, _) in &steps {
            script.push_str(&commands.replace(ADDRESS, &service.address));
            script.push_str(&format!("echo; echo '{MARK}'\n"));
        }
        let printed = output(service.client("bash", &directory).args(["-c", &script]));
        let printed: Vec<&str> = printed.split(MARK).collect();
        assert_eq!(printed.len(), steps.len() + 1, "{}", self.path);
        for ((commands, expected), printed) in steps.iter().zip(printed) {
            let (expected, printed) = (expected.trim(), printed.trim());
            assert!(
                is_as_shown(expected, printed),
                "{}\n{commands}\nshows\n{expected}\nand prints\n{printed}",
                self.path
            );
        }
    }
}

/// Whether this is what was shown, where `…` stands for any text within a line.
fn is_as_shown(shown: &str, printed: &str) -> bool {
    let (mut shown, mut printed) = (shown.lines(), printed.lines());
    loop {
        match (shown.next(), printed.next()) {
            (None, None) => return true,
            (Some(shown), Some(printed)) if is_line_as_shown(shown, printed) => {}
            _ => return false,
        }
    }
}

fn is_line_as_shown(shown: &str, printed: &str) -> bool {
    let Some((begin, rest)) = shown.split_once('…') else {
        return shown == printed;
    };
    let Some(mut printed) = printed.strip_prefix(begin) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('…').unwrap_or(("", rest));
    for part in middle.split('…') {
        let Some((_, rest)) = printed.split_once(part) else {
            return false;
        };
        printed = rest;
    }
    printed.ends_with(end)
}

/// An empty directory that looks like the root of the repository after a build.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        symlink(root().join("docs"), directory.path().join("docs")).unwrap();
        let built = directory.path().join("target/release");
        fs::create_dir_all(&built).unwrap();
        symlink(env!("CARGO_BIN_EXE_countersign"), built.join("countersign")).unwrap();
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A running service; it is killed when dropped, with the shell that started it.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: String,
}

impl Service {
    /// Serves by these commands, the last of which does not return.
    pub(crate) fn start(directory: &Directory, commands: &str) -> Self {
        let mut command = clean("bash", directory);
        command
            .args(["-euc", commands])
            .env("AUTH_PORT", "0")
            .env("AUTH_STORAGE_DISK_FREE_MIN_MIB", "0")
            .process_group(0);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim_end().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{commands} says {line:?}")).to_owned();
        Self { process, address }
    }

    /// A program that finds this service at the address of its settings.
    pub(crate) fn client(&self, program: &str, directory: &Directory) -> Command {
        let mut command = clean(program, directory);
        command
            .env("AUTH_PORT", self.address.rsplit_once(':').unwrap().1)
            .env("AUTH_CLIENT_SERVICE_URL", &self.address);
        command
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// A program in the directory, with no settings of the developer's own and no proxy between it and this machine.
fn clean(program: &str, directory: &Directory) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
        command.env_remove(name);
    }
    command
        .current_dir(directory.path())
        .env("no_proxy", "*")
        .env("NO_PROXY", "*");
    command
}

/// What a program prints that has to succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} fails\n{printed}\n{told}");
    printed
}

#[test]
fn an_ellipsis_stands_for_any_text_within_a_line_and_nothing_else_does() {
    for (shown, printed) in [("a…c", "abc"), ("a…c", "ac"), ("a…b…c\nd", "a1b2c\nd"), ("x…", "xyz")] {
        assert!(is_as_shown(shown, printed), "{shown} {printed}");
    }
    for (shown, printed) in [
        ("abc", "abd"),
        ("a…c", "a\nc"),
        ("a…c", "abcd"),
        ("a…b…c", "ac"),
        ("a", "a\nb"),
        ("a\nb", "a"),
    ] {
        assert!(!is_as_shown(shown, printed), "{shown} {printed}");
    }
}
