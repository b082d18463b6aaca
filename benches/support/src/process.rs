//! Servers as processes of their own, so that they share nothing with the load but the machine.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::usage::Process;

/// What the one line on standard output begins with.
pub(crate) const ANNOUNCEMENT: &str = "listening on http://";
/// The argument by which a benchmark tells itself to be the ceiling.
pub(crate) const CEILING: &str = "ceiling";

/// A server that is killed when dropped.
pub struct Served {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From being started to listening.
    pub started_in: Duration,
    directory: Option<TempDir>,
}

impl Served {
    /// Starts the program with an empty data directory below `parent`, and with these settings.
    pub fn program(program: &str, parent: &Path, settings: &[(&str, &str)]) -> Self {
        Self::over(program, tempfile::tempdir_in(parent).expect("a directory"), settings)
    }

    fn over(program: &str, directory: TempDir, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
            command.env_remove(name);
        }
        command
            .env("AUTH_PORT", "0")
            .env("AUTH_DATA_DIR", directory.path().join("data"))
            .env("AUTH_STORAGE_DISK_FREE_MIN_MIB", "0")
            .env("AUTH_LOG", "error")
            .envs(settings.iter().copied())
            // Where no `config.toml` lies.
            .current_dir(directory.path());
        Self::start(command, Some(directory))
    }

    /// Kills it and starts it again with what it has kept.
    #[must_use]
    pub fn again(mut self, program: &str, settings: &[(&str, &str)]) -> Self {
        self.kill();
        let directory = self.directory.take().expect("a program's directory");
        Self::over(program, directory, settings)
    }

    /// Starts this benchmark again as the ceiling. `answer` is what it says about tokens; with `key` it verifies them first.
    pub fn ceiling(answer: &str, key: Option<(&str, &str)>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args([CEILING, answer]);
        if let Some((x, y)) = key {
            command.args([x, y]);
        }
        Self::start(command, None)
    }

    fn start(mut command: Command, directory: Option<TempDir>) -> Self {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
        let out = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("its line");
        let started_in = started.elapsed();
        let address = line
            .strip_prefix(ANNOUNCEMENT)
            .and_then(|rest| rest.trim_end().parse().ok());
        Self {
            child,
            address: address.expect("an address"),
            started_in,
            directory,
        }
    }

    /// What it uses.
    pub fn process(&self) -> Process {
        Process::Other(self.child.id())
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}
