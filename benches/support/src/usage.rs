//! What a process has used, from `/proc`.

use std::fs;
use std::time::Duration;

/// Clock ticks in a second, in which Linux tells of processor time to programs.
const TICKS_PER_SECOND: u64 = 100;
/// Bytes of a page of memory, in which Linux tells of it.
const PAGE_BYTES: u64 = 4_096;

/// Which process.
#[derive(Clone, Copy, Debug)]
pub enum Process {
    /// This one.
    Own,
    /// The one with this number.
    Other(u32),
}

impl Process {
    fn read(self, file: &str) -> String {
        let path = match self {
            Self::Own => format!("/proc/self/{file}"),
            Self::Other(number) => format!("/proc/{number}/{file}"),
        };
        fs::read_to_string(path).expect("Linux")
    }

    /// Processor time that all its threads have used. It says more than a clock where the machine has other work to do.
    pub fn processor_time(self) -> Duration {
        let stat = self.read("stat");
        // The name in parentheses may hold anything; user and system time are the 12th and 13th fields behind it.
        let (_, fields) = stat.rsplit_once(") ").expect("a process");
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("ticks"))
            .sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    /// Bytes of memory that are really there.
    pub fn resident_bytes(self) -> u64 {
        let statm = self.read("statm");
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|field| field.parse().ok())
            .expect("pages");
        pages * PAGE_BYTES
    }
}
