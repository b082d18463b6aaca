//! A disk of which is told what was written to it and what was made durable, and what a power cut can leave of it.
//!
//! Durable is what a completed `fsync` or `fdatasync` of that very file has covered, a completed write of a file that has the attribute
//! `sync`, and the names of files what an `fsync` of their directory has covered. All else may be there or not: any sector of any
//! write, the length of a file, a name. `sync_file_range` makes nothing durable.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Random;
use crate::trace::Call;

const SECTOR_BYTES: usize = 512;
const ROOT: usize = 0;

enum Node {
    File {
        durable: Vec<u8>,
        pending: Vec<Pending>,
        /// Whether its writes reach the disk before they return.
        synchronous: bool,
    },
    Directory {
        durable: BTreeMap<String, usize>,
        pending: Vec<Rename>,
    },
}

/// A change of a file that no sync has covered.
struct Pending {
    /// Line of the trace on which the call returned.
    end: usize,
    /// Whether it is there once the call has returned.
    synchronous: bool,
    change: Change,
}

enum Change {
    Write { at: usize, data: Vec<u8> },
    Length(usize),
}

/// A change of a directory: some names go, one may come.
struct Rename {
    end: usize,
    gone: Option<String>,
    came: Option<(String, usize)>,
}

struct Open {
    node: usize,
    path: PathBuf,
    position: usize,
}

/// The disk, as of some line of a trace.
pub(crate) struct Disk {
    base: PathBuf,
    nodes: Vec<Node>,
    /// What the running process sees.
    names: HashMap<PathBuf, usize>,
    open: HashMap<i64, Open>,
    /// The line of the trace up to which things have happened.
    cut: usize,
    /// Whether the traced process found a file to be longer or shorter than it is here.
    is_contradicted: bool,
}

impl Disk {
    /// What lies in a directory, all of it durable, where the traced process saw it as `base`.
    pub(crate) fn of(directory: &Path, base: &Path) -> Self {
        let mut disk = Self {
            base: base.to_owned(),
            nodes: Vec::new(),
            names: HashMap::new(),
            open: HashMap::new(),
            cut: 0,
            is_contradicted: false,
        };
        disk.add(directory, base);
        disk
    }

    fn add(&mut self, path: &Path, seen_as: &Path) -> usize {
        let id = self.nodes.len();
        self.names.insert(seen_as.to_owned(), id);
        if path.is_dir() {
            self.nodes.push(Node::Directory {
                durable: BTreeMap::new(),
                pending: Vec::new(),
            });
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let child = self.add(&entry.path(), &seen_as.join(entry.file_name()));
                let Node::Directory { durable, .. } = &mut self.nodes[id] else {
                    panic!("it is a directory")
                };
                durable.insert(entry.file_name().into_string().unwrap(), child);
            }
        } else {
            let durable = fs::read(path).unwrap();
            self.nodes.push(Node::File {
                durable,
                pending: Vec::new(),
                synchronous: false,
            });
        }
        id
    }

    /// Lets everything happen that the trace tells before line `cut`.
    pub(crate) fn run(&mut self, calls: &[Call], cut: usize) {
        // A write counts from when it was asked for, a sync, an attribute and a descriptor from when they were given. Of two lengths
        // that overlap, the later answer is taken for the later one: a guess, which `is_true_to` puts to the test.
        let late = |call: &Call| {
            matches!(
                call.name.as_str(),
                "fsync" | "fdatasync" | "ftruncate" | "ioctl" | "open" | "openat" | "creat" | "lseek"
            )
        };
        self.cut = cut;
        let mut order: Vec<(usize, &Call)> = calls
            .iter()
            .map(|call| (if late(call) { call.end } else { call.begin }, call))
            .filter(|(at, _)| *at < cut)
            .collect();
        order.sort_by_key(|(at, _)| *at);
        for (_, call) in order {
            self.step(call);
        }
    }

    fn step(&mut self, call: &Call) {
        match call.name.as_str() {
            "openat" => self.opened(call, 1),
            "open" => self.opened(call, 0),
            "close" => drop(self.open.remove(&call.number(0))),
            "lseek" => {
                if let (Some(open), Some(position)) = (self.open.get_mut(&call.number(0)), call.returned) {
                    open.position = usize::try_from(position).unwrap();
                }
            }
            "write" => self.write(call, None),
            "pwrite64" => self.write(call, Some(usize::try_from(call.number(3)).unwrap())),
            "ftruncate" => {
                let length = usize::try_from(call.number(1)).unwrap();
                self.change(call, Change::Length(length));
            }
            "fsync" | "fdatasync" => {
                if let Some(open) = self.open.get(&call.number(0)) {
                    let node = open.node;
                    self.nodes[node].sync(call.begin);
                }
            }
            "ioctl" => self.attribute(call),
            "rename" => self.rename(call, self.path(call, 0), self.path(call, 1)),
            "rmdir" | "unlink" => self.rename(call, self.path(call, 0), None),
            "unlinkat" => self.rename(call, self.path(call, 1), None),
            "mkdir" => self.make_directory(call, 0),
            "mkdirat" => self.make_directory(call, 1),
            "fstat" => self.measured(call, 0, "st_size"),
            "newfstatat" => self.measured(call, 1, "st_size"),
            "statx" => self.measured(call, 1, "stx_size"),
            "sync_file_range" => {}
            // Of other files, as the program loader's.
            other => assert!(
                !(0..2).any(|at| self.is_ours(call, at)),
                "line {}: {other} is not understood",
                call.begin
            ),
        }
    }

    /// Whether an argument names something on this disk, by descriptor or by path.
    fn is_ours(&self, call: &Call, at: usize) -> bool {
        match call.word(at).parse() {
            Ok(descriptor) => self.open.contains_key(&descriptor),
            Err(_) => self.path(call, at).is_some(),
        }
    }

    /// The path in an argument, if it lies on this disk; it may be relative to the open directory in the argument before.
    fn path(&self, call: &Call, at: usize) -> Option<PathBuf> {
        let path = Path::new(std::str::from_utf8(call.bytes(at)?).unwrap());
        if let Some(before) = at.checked_sub(1)
            && let Ok(descriptor) = call.word(before).parse()
            && let Some(directory) = self.open.get(&descriptor)
        {
            return Some(directory.path.join(path));
        }
        path.starts_with(&self.base).then(|| path.to_owned())
    }

    fn opened(&mut self, call: &Call, at: usize) {
        let (Some(path), Some(descriptor)) = (self.path(call, at), call.returned) else {
            return;
        };
        let flags = call.word(at + 1);
        assert!(!flags.contains("O_APPEND"), "line {}", call.begin);
        let node = self.names.get(&path).copied().unwrap_or_else(|| {
            assert!(flags.contains("O_CREAT"), "line {}: {}", call.begin, path.display());
            self.nodes.push(Node::File {
                durable: Vec::new(),
                pending: Vec::new(),
                synchronous: false,
            });
            let node = self.nodes.len() - 1;
            self.link(call, &path, node);
            node
        });
        let position = 0;
        self.open.insert(descriptor, Open { node, path, position });
        if flags.contains("O_TRUNC") {
            self.nodes[node].change(call.end, Change::Length(0));
        }
    }

    fn write(&mut self, call: &Call, at: Option<usize>) {
        let Some(open) = self.open.get_mut(&call.number(0)) else {
            return;
        };
        let mut data = call.bytes(1).unwrap().to_vec();
        if let Some(written) = call.returned {
            data.truncate(usize::try_from(written).unwrap());
        }
        let at = at.unwrap_or_else(|| {
            let at = open.position;
            open.position += data.len();
            at
        });
        self.change(call, Change::Write { at, data });
    }

    fn change(&mut self, call: &Call, change: Change) {
        if let Some(open) = self.open.get(&call.number(0)) {
            let node = open.node;
            self.nodes[node].change(call.end, change);
        }
    }

    fn measured(&mut self, call: &Call, at: usize, field: &str) {
        let by_descriptor = |at| self.open.get(&call.word(at).parse().ok()?).map(|open| open.node);
        let by_path = |at| self.names.get(&self.path(call, at)?).copied();
        let node = match at.checked_sub(1) {
            // An empty path means the descriptor before it.
            Some(before) if call.bytes(at).is_some_and(<[u8]>::is_empty) => by_descriptor(before),
            Some(_) => by_path(at),
            None => by_descriptor(at),
        };
        if let (Some(node), Some(length)) = (node, call.field(field)) {
            let content = self.nodes[node].content();
            self.is_contradicted |= content.is_some_and(|content| content.len() != length);
        }
    }

    fn attribute(&mut self, call: &Call) {
        if call.word(1) == "FS_IOC_SETFLAGS"
            && let Some(open) = self.open.get(&call.number(0))
            && let Node::File { synchronous, .. } = &mut self.nodes[open.node]
        {
            *synchronous = call.word(2).contains("FS_SYNC_FL");
        }
    }

    fn make_directory(&mut self, call: &Call, at: usize) {
        if let Some(path) = self.path(call, at) {
            self.nodes.push(Node::Directory {
                durable: BTreeMap::new(),
                pending: Vec::new(),
            });
            self.link(call, &path, self.nodes.len() - 1);
        }
    }

    fn link(&mut self, call: &Call, path: &Path, node: usize) {
        self.names.insert(path.to_owned(), node);
        let change = Rename {
            end: call.end,
            gone: None,
            came: Some((name(path), node)),
        };
        self.change_directory(path, change);
    }

    fn rename(&mut self, call: &Call, from: Option<PathBuf>, to: Option<PathBuf>) {
        let Some(from) = from else { return };
        let node = self.names[&from];
        let moved = std::mem::take(&mut self.names).into_iter();
        let moved = moved.filter_map(|(path, node)| match (path.strip_prefix(&from), &to) {
            (Err(_), _) => Some((path, node)),
            (Ok(below), Some(to)) => Some((to.join(below), node)),
            (Ok(_), None) => None,
        });
        self.names = moved.collect();
        let came = to.map(|to| {
            assert_eq!(from.parent(), to.parent(), "line {}", call.begin);
            (name(&to), node)
        });
        let change = Rename {
            end: call.end,
            gone: Some(name(&from)),
            came,
        };
        self.change_directory(&from, change);
    }

    fn change_directory(&mut self, path: &Path, change: Rename) {
        let parent = self.names[path.parent().unwrap()];
        match &mut self.nodes[parent] {
            Node::Directory { pending, .. } => pending.push(change),
            Node::File { .. } => panic!("{} lies in a file", path.display()),
        }
    }

    /// Whether some file's writes reach the disk before they return.
    pub(crate) fn has_synchronous_files(&self) -> bool {
        let synchronous = |node: &Node| matches!(node, Node::File { synchronous: true, .. });
        self.nodes.iter().any(synchronous)
    }

    /// Whether what has happened here is what has happened to a directory: so far as the process looked, and in what it has left.
    pub(crate) fn is_true_to(&self, directory: &Path) -> bool {
        !self.is_contradicted && self.is_left_as(ROOT, directory)
    }

    fn is_left_as(&self, node: usize, path: &Path) -> bool {
        match &self.nodes[node] {
            file @ Node::File { .. } => fs::read(path).ok() == file.content(),
            Node::Directory { durable, pending } => {
                let mut names = durable.clone();
                pending.iter().for_each(|change| change.apply(&mut names));
                let found = fs::read_dir(path).map_or(0, Iterator::count);
                found == names.len()
                    && names
                        .iter()
                        .all(|(name, node)| self.is_left_as(*node, &path.join(name)))
            }
        }
    }

    /// Writes one of the states that a power cut can leave.
    pub(crate) fn image(&self, target: &Path, random: &mut Random) {
        self.put(ROOT, target, random);
    }

    fn put(&self, node: usize, target: &Path, random: &mut Random) {
        match &self.nodes[node] {
            Node::File { durable, pending, .. } => {
                let mut content = durable.clone();
                let certain = |pending: &Pending| pending.synchronous && pending.end < self.cut;
                let luck = Luck::of(pending.iter().filter(|pending| !certain(pending)).count(), random);
                let mut at = 0;
                for pending in pending {
                    if certain(pending) {
                        pending.change.apply(&mut content);
                    } else {
                        pending.change.survive(&mut content, &luck, at, random);
                        at += 1;
                    }
                }
                // The length can be there before the content is.
                if random.one_in(4) {
                    let length = pending.iter().map(|pending| pending.change.reaches()).max();
                    content.resize(content.len().max(length.unwrap_or(0)), 0);
                }
                fs::write(target, content).unwrap();
            }
            Node::Directory { durable, pending } => {
                let mut names = durable.clone();
                let luck = Luck::of(pending.len(), random);
                for (_, change) in pending.iter().enumerate().filter(|(at, _)| luck.keeps(*at, random)) {
                    change.apply(&mut names);
                }
                fs::create_dir_all(target).unwrap();
                for (name, node) in names {
                    self.put(node, &target.join(name), random);
                }
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

impl Node {
    /// What the running process sees of a file.
    fn content(&self) -> Option<Vec<u8>> {
        let Self::File { durable, pending, .. } = self else {
            return None;
        };
        let mut content = durable.clone();
        pending.iter().for_each(|pending| pending.change.apply(&mut content));
        Some(content)
    }

    fn change(&mut self, end: usize, change: Change) {
        match self {
            Self::File {
                pending, synchronous, ..
            } => pending.push(Pending {
                end,
                synchronous: *synchronous && matches!(change, Change::Write { .. }),
                change,
            }),
            Self::Directory { .. } => panic!("a directory cannot be written"),
        }
    }

    /// Makes everything durable that had returned before line `begin`.
    fn sync(&mut self, begin: usize) {
        match self {
            Self::File { durable, pending, .. } => pending.retain(|pending| {
                let covered = pending.end < begin;
                if covered {
                    pending.change.apply(durable);
                }
                !covered
            }),
            Self::Directory { durable, pending } => pending.retain(|change| {
                let covered = change.end < begin;
                if covered {
                    change.apply(durable);
                }
                !covered
            }),
        }
    }
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, node)) = &self.came {
            names.insert(name.clone(), *node);
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, data } => put(content, *at, data),
            Self::Length(length) => content.resize(*length, 0),
        }
    }

    fn reaches(&self) -> usize {
        match self {
            Self::Write { at, data } => at + data.len(),
            Self::Length(length) => *length,
        }
    }

    fn survive(&self, content: &mut Vec<u8>, luck: &Luck, at: usize, random: &mut Random) {
        if let (Self::Write { at, data }, Luck::Sectors(kept_in_ten)) = (self, luck) {
            let mut from = 0;
            while from < data.len() {
                let to = data
                    .len()
                    .min((at + from) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - at);
                if random.below(10) < *kept_in_ten {
                    put(content, at + from, &data[from..to]);
                }
                from = to;
            }
        } else if luck.keeps(at, random) {
            self.apply(content);
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    if content.len() < at + data.len() {
        content.resize(at + data.len(), 0);
    }
    content[at..at + data.len()].copy_from_slice(data);
}

/// Which of the changes that no sync has covered were made all the same.
enum Luck {
    None,
    All,
    /// Each or not.
    Some,
    /// The first ones.
    Before(u64),
    /// The last ones: later changes before earlier ones.
    After(u64),
    AllBut(u64),
    /// So many in ten sectors of every write.
    Sectors(u64),
}

impl Luck {
    fn of(changes: usize, random: &mut Random) -> Self {
        let changes = changes as u64;
        match random.below(8) {
            0 => Self::None,
            1 => Self::All,
            2 => Self::Some,
            3 => Self::Before(random.below(changes + 1)),
            4 => Self::After(random.below(changes + 1)),
            5 => Self::AllBut(random.below(changes.max(1))),
            6 => Self::Sectors(5),
            _ => Self::Sectors([1, 9][usize::from(random.one_in(2))]),
        }
    }

    fn keeps(&self, at: usize, random: &mut Random) -> bool {
        let at = at as u64;
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some => random.one_in(2),
            Self::Before(end) => at < *end,
            Self::After(begin) => at >= *begin,
            Self::AllBut(one) => at != *one,
            Self::Sectors(kept_in_ten) => random.below(10) < *kept_in_ten,
        }
    }
}
