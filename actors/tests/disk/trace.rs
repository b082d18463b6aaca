//! What a process asked of the file system, read from the output of `strace -f -xx`.

use std::collections::HashMap;

/// One system call that succeeded, or that the end of the trace has cut off.
pub(crate) struct Call {
    /// Line of the trace on which it was entered, and on which it returned.
    pub(crate) begin: usize,
    pub(crate) end: usize,
    /// What it returned; `None` if it never did.
    pub(crate) returned: Option<i64>,
    pub(crate) name: String,
    arguments: Vec<Argument>,
}

enum Argument {
    Word(String),
    Quoted(Vec<u8>),
}

impl Argument {
    fn parse(text: &str) -> Self {
        let Some(hex) = text.strip_prefix('"') else {
            return Self::Word(text.to_owned());
        };
        let hex = hex
            .strip_suffix('"')
            .unwrap_or_else(|| panic!("strace has cut off a string"));
        let digit = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
        let bytes = hex.as_bytes().chunks_exact(4);
        Self::Quoted(bytes.map(|escape| digit(escape[2]) << 4 | digit(escape[3])).collect())
    }
}

impl Call {
    /// The bytes of a quoted argument.
    pub(crate) fn bytes(&self, at: usize) -> Option<&[u8]> {
        match &self.arguments[at] {
            Argument::Quoted(bytes) => Some(bytes),
            Argument::Word(_) => None,
        }
    }

    pub(crate) fn word(&self, at: usize) -> &str {
        match &self.arguments[at] {
            Argument::Word(word) => word,
            Argument::Quoted(_) => "",
        }
    }

    /// A number in a structure that the kernel has filled in.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        self.arguments.iter().find_map(|argument| match argument {
            Argument::Word(word) => word.strip_prefix(name)?.strip_prefix('=')?.parse().ok(),
            Argument::Quoted(_) => None,
        })
    }

    pub(crate) fn number(&self, at: usize) -> i64 {
        self.word(at).parse().unwrap()
    }
}

/// Whether every byte of a string is told: what makes a trace usable.
pub(crate) const STRING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The calls that change or name files. `?` lets `strace` pass over those that the machine does not have.
pub(crate) const CALLS: &str = "trace=?open,openat,?creat,close,?dup,?dup2,dup3,write,pwrite64,writev,pwritev,?pwritev2,ftruncate,truncate,\
     fallocate,?rename,?renameat,renameat2,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,?link,linkat,?symlink,symlinkat,fsync,fdatasync,\
     sync_file_range,ioctl,lseek,?fstat,?newfstatat,?statx,copy_file_range,sendfile,?io_uring_setup";

/// Reads a whole trace.
pub(crate) fn parse(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let (process, what) = line.split_once(' ').unwrap();
        let what = what.trim_start();
        if what.starts_with("+++") || what.starts_with("---") {
            continue;
        }
        if let Some(resumed) = what.strip_prefix("<... ") {
            let call = &mut calls[unfinished.remove(process).unwrap()];
            assert!(resumed.starts_with(&call.name), "line {at}");
            call.end = at;
            call.returned = returned(resumed);
            continue;
        }
        let (name, rest) = what.split_once('(').unwrap();
        let (arguments, returned) = match rest.strip_suffix(" <unfinished ...>") {
            Some(arguments) => {
                unfinished.insert(process, calls.len());
                (arguments, None)
            }
            None => (rest.rsplit_once(") ").unwrap().0, returned(rest)),
        };
        calls.push(Call {
            begin: at,
            end: if returned.is_some() { at } else { usize::MAX },
            returned,
            name: name.to_owned(),
            arguments: arguments
                .split(", ")
                .map(|argument| Argument::parse(argument.trim()))
                .collect(),
        });
    }
    calls.retain(|call| call.returned.is_none_or(|returned| returned >= 0));
    calls
}

/// The number behind the last `= `; errors are negative.
fn returned(line: &str) -> Option<i64> {
    let (_, value) = line.rsplit_once("= ")?;
    value.split(' ').next()?.parse().ok()
}
