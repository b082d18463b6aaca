//! The program itself as a child process that dies with the test.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The program with a data directory, on a free port, and with no settings of the developer's own.
pub(crate) fn countersign(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
        command.env_remove(name);
    }
    command
        .env("AUTH_PORT", "0")
        .env("AUTH_DATA_DIR", data_dir)
        .env("AUTH_STORAGE_DISK_FREE_MIN_MIB", "0")
        .env("AUTH_LOG", "error")
        // Where no `config.toml` lies.
        .current_dir(data_dir.parent().unwrap());
    command
}

/// A running program that serves.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts it and waits for its one line.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let line = first_line(child.stdout.as_mut().unwrap());
        let said = line
            .strip_prefix("listening on ")
            .and_then(|said| said.split_once("://"));
        let Some((_, address)) = said else {
            let _ = child.kill();
            panic!("it ended with {} and said {line:?}", child.wait().unwrap());
        };
        let address = address.parse().unwrap();
        Self { child, address }
    }

    /// Tells it to stop.
    pub(crate) fn terminate(&self) {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(told.unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Byte by byte, so that whatever else it says is left to be read.
fn first_line(out: &mut impl Read) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while out.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}
