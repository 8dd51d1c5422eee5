//! A machine whose file system keeps what was synced and forgets as much of the rest as it likes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{chance::Chance, faults::Plan};

/// Sectors reach the disk whole, and in any order.
const SECTOR: usize = 512;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File(usize),
}

/// A change to a file that no sync has covered.
#[derive(Debug, Clone)]
enum Change {
    Append(Vec<u8>),
    Cut(usize),
}

#[derive(Debug, Clone, Default)]
struct Content {
    /// What a reader sees now.
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

/// A change to the names that no sync of the folder has covered.
#[derive(Debug, Clone)]
enum Naming {
    Make(PathBuf, Node),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
    RemoveFolder(PathBuf),
}

impl Naming {
    /// Whether a sync of the folder makes it durable: of a rename, that of its new name's.
    fn touches(&self, folder: &Path) -> bool {
        let within = |path: &PathBuf| path.parent() == Some(folder);
        match self {
            Self::Make(path, _) | Self::Remove(path) | Self::RemoveFolder(path) => within(path),
            Self::Rename(_, to, _) => within(to),
        }
    }

    /// Whether it is about the name that a rename took away.
    fn made(&self, name: &Path) -> bool {
        matches!(self, Self::Make(path, _) | Self::Remove(path) if path == name)
    }
}

type Names = BTreeMap<PathBuf, Node>;

/// The file system with all that it may forget.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    contents: Vec<Content>,
    names: Names,
    durable_names: Names,
    namings: Vec<Naming>,
}

impl Files {
    fn new(root: &Path) -> Self {
        let names: Names = root
            .ancestors()
            .map(|dir| (dir.to_owned(), Node::Folder))
            .collect();
        Self {
            contents: Vec::new(),
            durable_names: names.clone(),
            names,
            namings: Vec::new(),
        }
    }

    pub(crate) fn node(&self, path: &Path) -> Option<Node> {
        self.names.get(path).copied()
    }

    pub(crate) fn file(&self, path: &Path) -> io::Result<Option<usize>> {
        match self.node(path) {
            Some(Node::File(file)) => Ok(Some(file)),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Ok(None),
        }
    }

    pub(crate) fn content(&self, file: usize) -> &[u8] {
        &self.contents[file].live
    }

    pub(crate) fn children(&self, dir: &Path) -> Vec<String> {
        let name = |path: &PathBuf| {
            (path.parent() == Some(dir))
                .then(|| path.file_name().unwrap().to_string_lossy().into_owned())
        };
        self.names.keys().filter_map(name).collect()
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        match path.parent().and_then(|parent| self.node(parent)) {
            Some(Node::Folder) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn make_file(&mut self, path: &Path) -> io::Result<usize> {
        self.parent_is_there(path)?;
        self.contents.push(Content::default());
        let node = Node::File(self.contents.len() - 1);
        self.names.insert(path.to_owned(), node);
        self.namings.push(Naming::Make(path.to_owned(), node));
        Ok(self.contents.len() - 1)
    }

    pub(crate) fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        if self.node(path).is_some() {
            return Ok(());
        }
        self.parent_is_there(path)?;
        self.names.insert(path.to_owned(), Node::Folder);
        self.namings
            .push(Naming::Make(path.to_owned(), Node::Folder));
        Ok(())
    }

    pub(crate) fn append(&mut self, file: usize, bytes: &[u8]) {
        let content = &mut self.contents[file];
        content.live.extend_from_slice(bytes);
        content.unsynced.push(Change::Append(bytes.to_vec()));
    }

    pub(crate) fn cut(&mut self, file: usize, length: usize) {
        let content = &mut self.contents[file];
        content.live.truncate(length);
        content.unsynced.push(Change::Cut(length));
    }

    pub(crate) fn sync(&mut self, file: usize) {
        let content = &mut self.contents[file];
        for change in std::mem::take(&mut content.unsynced) {
            apply(&mut content.durable, &change);
        }
    }

    /// A sync fails as on Linux: readers go on seeing what was written, but it counts as clean, and
    /// no later sync writes it.
    pub(crate) fn lose(&mut self, file: usize) {
        for change in &mut self.contents[file].unsynced {
            if let Change::Append(bytes) = change {
                bytes.fill(0);
            }
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.parent_is_there(to)?;
        let file = self.file(from)?.ok_or(io::ErrorKind::NotFound)?;
        self.names.remove(from);
        self.names.insert(to.to_owned(), Node::File(file));
        let naming = Naming::Rename(from.to_owned(), to.to_owned(), file);
        self.namings.push(naming);
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        if self.file(path)?.is_some() {
            self.names.remove(path);
            self.namings.push(Naming::Remove(path.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, path: &Path) -> bool {
        let gone = self.node(path) == Some(Node::Folder) && self.children(path).is_empty();
        if gone {
            self.names.remove(path);
            self.namings.push(Naming::RemoveFolder(path.to_owned()));
        }
        gone
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        if self.node(folder) != Some(Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (mut durable, mut kept) = (Vec::<Naming>::new(), Vec::<Naming>::new());
        for naming in std::mem::take(&mut self.namings) {
            if let Naming::Rename(from, ..) = &naming {
                // Its old name does not come back: neither with the new one, nor because its
                // folder is synced, which it has left.
                let earlier = |earlier: &Naming| !earlier.made(from);
                if naming.touches(folder) {
                    kept.retain(earlier);
                } else if from.parent() == Some(folder) {
                    durable.retain(earlier);
                }
            }
            if naming.touches(folder) {
                durable.push(naming);
            } else {
                kept.push(naming);
            }
        }
        self.namings = kept;
        for naming in durable {
            put(&mut self.durable_names, naming);
        }
        Ok(())
    }

    /// The power fails: of what was not synced, chance keeps some.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) {
        let everything = chance.one_in(8);
        let nothing = chance.one_in(8);
        let mut names = self.durable_names.clone();
        for naming in std::mem::take(&mut self.namings) {
            if everything || (!nothing && chance.one_in(2)) {
                put(&mut names, naming);
            }
        }
        self.names = reachable(names);
        self.durable_names = self.names.clone();
        for content in &mut self.contents {
            let mut survived = content.durable.clone();
            for change in std::mem::take(&mut content.unsynced) {
                if nothing {
                    break;
                }
                if everything || chance.one_in(2) {
                    apply(&mut survived, &change);
                    continue;
                }
                if let Change::Append(bytes) = &change {
                    tear(&mut survived, bytes, chance);
                }
                break;
            }
            content.live.clone_from(&survived);
            content.durable = survived;
        }
    }

    /// Writes what a reader sees into a folder of the real machine.
    pub(crate) fn dump(&self, root: &Path, to: &Path) {
        for (path, node) in &self.names {
            let Ok(relative) = path.strip_prefix(root) else {
                continue;
            };
            let target = to.join(relative);
            match node {
                Node::Folder => fs::create_dir_all(target).unwrap(),
                Node::File(file) => fs::write(target, self.content(*file)).unwrap(),
            }
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Append(bytes) => content.extend_from_slice(bytes),
        Change::Cut(length) => content.truncate(*length),
    }
}

/// A write of which only a part arrived: its beginning, its beginning with zeros up to the length
/// that the file system had noted already, or any of its sectors with zeros in the gaps.
fn tear(content: &mut Vec<u8>, bytes: &[u8], chance: &mut Chance) {
    let part = chance.below(bytes.len() as u64 + 1) as usize;
    let start = content.len();
    match chance.below(3) {
        0 => content.extend_from_slice(&bytes[..part]),
        1 => {
            content.extend_from_slice(&bytes[..part]);
            content.resize(start + bytes.len(), 0);
        }
        _ => {
            content.extend_from_slice(bytes);
            let mut at = start;
            while at < content.len() {
                let end = content.len().min((at / SECTOR + 1) * SECTOR);
                if chance.one_in(3) {
                    content[at..end].fill(0);
                }
                at = end;
            }
        }
    }
}

fn put(names: &mut Names, naming: Naming) {
    match naming {
        Naming::Make(path, node) => _ = names.entry(path).or_insert(node),
        Naming::Rename(from, to, file) => {
            names.remove(&from);
            names.insert(to, Node::File(file));
        }
        Naming::Remove(path) => _ = names.remove(&path),
        Naming::RemoveFolder(path) => {
            let empty = !names.keys().any(|name| name.parent() == Some(&path));
            if empty {
                names.remove(&path);
            }
        }
    }
}

/// Names whose folders are all there.
fn reachable(names: Names) -> Names {
    let mut folders = BTreeSet::new();
    let mut kept = Names::new();
    // A folder sorts before what is in it.
    for (path, node) in names {
        if path.parent().is_none_or(|parent| folders.contains(parent)) {
            if node == Node::Folder {
                folders.insert(path.clone());
            }
            kept.insert(path, node);
        }
    }
    kept
}

#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) files: Files,
    pub(crate) plan: Plan,
    /// Counts processes; what an ended one still asks for is refused.
    pub(crate) process: u64,
    pub(crate) locks: BTreeSet<PathBuf>,
}

/// The machine, as long as the test runs.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) root: PathBuf,
    inside: Arc<Mutex<Inside>>,
}

impl Machine {
    pub(crate) fn new(plan: Plan) -> Self {
        let root = PathBuf::from("/data");
        Self::with(Files::new(&root), plan)
    }

    /// A machine with these files, all of them durable or not as they were.
    pub(crate) fn with(files: Files, plan: Plan) -> Self {
        let inside = Inside {
            files,
            plan,
            process: 0,
            locks: BTreeSet::new(),
        };
        Self {
            root: PathBuf::from("/data"),
            inside: Arc::new(Mutex::new(inside)),
        }
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    pub(crate) fn files(&self) -> Files {
        self.inside().files.clone()
    }

    /// The process is gone; the machine runs on.
    pub(crate) fn kill(&self) {
        let mut inside = self.inside();
        inside.process += 1;
        inside.locks.clear();
        inside.plan.revive();
    }

    /// The machine loses power and starts again.
    pub(crate) fn lose_power(&self, chance: &mut Chance) {
        self.kill();
        self.inside().files.lose_power(chance);
    }
}
