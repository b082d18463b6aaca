//! What the operating system says of this process: a few small files of `/proc`.

use std::fs;

/// Ticks in a second of the times in `/proc/self/stat`, whatever the kernel's own.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process uses. What cannot be read is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessUse {
    /// Seconds of processor time, of all threads.
    pub cpu_seconds: Option<f64>,
    /// Bytes of memory that are in place.
    pub resident_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Files and sockets that are open.
    pub open_fds: Option<u64>,
    /// Files and sockets that may be open.
    pub max_fds: Option<u64>,
}

impl ProcessUse {
    /// As it is now.
    pub fn now() -> Self {
        let read = |name| fs::read_to_string(name).unwrap_or_default();
        let status = read("/proc/self/status");
        let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64);
        Self {
            cpu_seconds: cpu_seconds(&read("/proc/self/stat")),
            resident_bytes: number_after(&status, "VmRSS:").map(|kib| kib * 1_024),
            threads: number_after(&status, "Threads:"),
            open_fds: open.ok(),
            max_fds: number_after(&read("/proc/self/limits"), "Max open files"),
        }
    }
}

/// The first number in the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`, the 14th and 15th field. The second one is the program's name in parentheses, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse().ok()?;
    let more: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(ticks) + f64::from(more)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_as_they_are_written() {
        let stat = "42 (a )( b) S 1 42 42 0 -1 4194560 3098 0 0 0 150 75 0 0 20 0 9 0 1234 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(2.25));
        assert_eq!(
            number_after("VmPeak:\t 9 kB\nVmRSS:\t  1234 kB\n", "VmRSS:"),
            Some(1_234)
        );
        assert_eq!(
            number_after("Max open files   1024   4096   files\n", "Max open files"),
            Some(1_024)
        );
        assert_eq!(
            (cpu_seconds("nothing"), number_after("nothing", "VmRSS:")),
            (None, None)
        );
    }

    #[test]
    fn this_process_uses_something_of_all() {
        let now = ProcessUse::now();
        assert!(now.resident_bytes > Some(1_024 * 1_024) && now.threads >= Some(1));
        assert!(now.open_fds >= Some(1) && now.max_fds >= now.open_fds && now.cpu_seconds >= Some(0.0));
    }
}
