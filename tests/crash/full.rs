//! A disk that is full, nearly full, and roomy again.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::{Value, json};

use crate::client::Client;
use crate::load::post;
use crate::program::{Program, countersign};

const MIB: usize = 1024 * 1024;

/// A file system of a bounded size, which only root can mount.
struct Small {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Small {
    fn mount(mib: usize) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        fs::create_dir(&path).unwrap();
        let small = Self {
            _directory: directory,
            path,
        };
        let mounted = small.run(&["mount", "-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
        if !mounted {
            // Past the test runner's capture, so that it is seen although the test passes.
            let note = "crash: NOT RUN: a file system that is full, because mounting one is not permitted";
            let mut stderr = std::io::stderr();
            writeln!(stderr, "{note}").unwrap();
        }
        mounted.then_some(small)
    }

    fn grow(&self, mib: usize) {
        assert!(self.run(&["mount", "-o", &format!("remount,size={mib}m")]));
    }

    fn run(&self, command: &[&str]) -> bool {
        let mut process = Command::new(command[0]);
        process.args(&command[1..]).arg(&self.path);
        process.status().is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.run(&["umount"]);
    }
}

/// What one customer was told.
struct Told {
    customer: String,
    bearer: String,
    /// Agents that were acknowledged.
    agents: BTreeSet<String>,
    /// Calls of which it is not known whether they happened.
    open: usize,
}

impl Told {
    fn new(client: &mut Client) -> Self {
        let customer = uuid::Uuid::new_v4().to_string();
        let mut mint = |path: &str, body: Value| {
            let answer = post(client, path, &body).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()
        };
        mint("/keys/signing", json!({"customer_id": customer}));
        let app = mint("/tokens/app", json!({"customer_id": customer, "name": "full"}));
        let body = json!({"customer_id": customer, "app_token_hash": app["token_hash"]});
        let bearer = mint("/tokens/bearer", body)["jti"].as_str().unwrap().to_owned();
        Self {
            customer,
            bearer,
            agents: BTreeSet::new(),
            open: 0,
        }
    }

    /// Mints one more; the code of the refusal otherwise, or nothing if no answer came.
    fn mint(&mut self, client: &mut Client) -> Result<(), Option<String>> {
        // Long, so that the disk fills up soon.
        let body = json!({"customer_id": self.customer, "bearer_jti": self.bearer, "agent_id": "a", "agent_name": "n".repeat(255)});
        let Some(answer) = post(client, "/tokens/agent", &body) else {
            self.open += 1;
            return Err(None);
        };
        let body = answer.json();
        match answer.status {
            200 => {
                self.agents.insert(body["jti"].as_str().unwrap().to_owned());
                Ok(())
            }
            503 => {
                let code = body["code"].as_str().unwrap().to_owned();
                self.open += usize::from(code == "indeterminate");
                Err(Some(code))
            }
            _ => panic!("{answer:?}"),
        }
    }

    /// What the service has is what it acknowledged, and perhaps what was left open.
    fn holds(&self, client: &mut Client) {
        let mut listed = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let line = format!("GET /tokens?customer_id={}&type=agent&limit=200{cursor}", self.customer);
            let answer = client.exchange(&line, &[], "").unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let page = answer.json();
            for token in page["tokens"].as_array().unwrap() {
                assert_eq!(token["status"], json!("active"));
                listed.insert(token["jti"].as_str().unwrap().to_owned());
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let lost: Vec<&String> = self.agents.difference(&listed).collect();
        assert!(lost.is_empty(), "{lost:?} were acknowledged and are lost");
        let more = listed.difference(&self.agents).count();
        assert!(more <= self.open, "{more} more than {} that were left open", self.open);
    }
}

/// Mints until the program ends, and looks at what it leaves.
fn fill(mut program: Program) -> (Told, ExitStatus) {
    let mut client = Client::open(program.address).unwrap();
    let mut told = Told::new(&mut client);
    let refused = loop {
        if let Err(refused) = told.mint(&mut client) {
            break refused;
        }
        assert!(told.agents.len() < 100_000, "the disk does not fill up");
    };
    assert!(refused.is_none_or(|code| code == "indeterminate"));
    assert!(told.agents.len() > 100, "there was something to lose");
    (told, program.wait())
}

/// A start on a full disk says so, unless it needs no room: then it finds its port taken.
fn is_refused(mut command: Command) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command.env("AUTH_PORT", port).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("No space left on device") || said.contains("127.0.0.1"),
        "{said}"
    );
}

#[test]
fn a_full_disk_ends_the_program_and_loses_nothing_that_was_acknowledged() {
    let Some(small) = Small::mount(8) else { return };
    let log = small.path.with_extension("log");
    let mut command = countersign(&small.data());
    command.stderr(fs::File::create(&log).unwrap());
    let (told, status) = fill(Program::start(command));
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("the journal has failed") && said.contains("No space left on device"),
        "{said}"
    );
    is_refused(countersign(&small.data()));
    small.grow(64);
    for _ in 0..2 {
        let mut program = Program::start(countersign(&small.data()));
        let mut client = Client::open(program.address).unwrap();
        told.holds(&mut client);
        assert_eq!(Told::new(&mut client).mint(&mut client), Ok(()));
        program.terminate();
        assert!(program.wait().success());
    }
}

/// The same without root: no file may grow beyond some blocks of 512 bytes.
fn bounded(data: &Path, blocks: usize) -> Command {
    let plain = countersign(data);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\"")])
        .arg(plain.get_program())
        .current_dir(data.parent().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn a_file_that_may_not_grow_ends_the_program_and_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let mut command = bounded(&data, 8 * MIB / 512);
    command.stderr(fs::File::create(&log).unwrap());
    let (told, status) = fill(Program::start(command));
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("the journal has failed") && said.contains("File too large"),
        "{said}"
    );
    let program = Program::start(countersign(&data));
    let mut client = Client::open(program.address).unwrap();
    told.holds(&mut client);
    assert_eq!(Told::new(&mut client).mint(&mut client), Ok(()));
}

#[test]
fn a_nearly_full_disk_serves_reads_and_goes_on_writing_when_there_is_room() {
    let Some(small) = Small::mount(48) else { return };
    let mut command = countersign(&small.data());
    command.env("AUTH_STORAGE_DISK_FREE_MIN_MIB", "16");
    let program = Program::start(command);
    let mut client = Client::open(program.address).unwrap();
    let mut told = Told::new(&mut client);
    for _ in 0..20 {
        assert_eq!(told.mint(&mut client), Ok(()));
    }
    let ballast = small.path.join("ballast");
    for _ in 0..3 {
        fs::write(&ballast, vec![1; 36 * MIB]).unwrap();
        let refused = loop {
            if let Err(refused) = told.mint(&mut client) {
                break refused;
            }
        };
        assert_eq!(refused.as_deref(), Some("storage_low"));
        told.holds(&mut client);
        let ready = client.exchange("GET /ready", &[], "").unwrap();
        assert!(
            String::from_utf8_lossy(&ready.body).contains("storage_low"),
            "{ready:?}"
        );
        fs::remove_file(&ballast).unwrap();
        while told.mint(&mut client).is_err() {}
    }
    assert_eq!(told.open, 0);
    told.holds(&mut client);
}
