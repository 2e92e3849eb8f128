//! The file system.

use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::{DotMap, Fold, Machine};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::LwwRegister;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Files in folders, by path. Moving and renaming is one move in a tree, so concurrent moves neither lose
    /// nor double anything. Two things of one name in one folder are both kept; all but the first made are
    /// shown with a number. A later move brings back what was removed concurrently, with its content.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::trees::FileSystem};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut disk = Causal::<FileSystem>::default();
    /// disk.try_edit(&at(1), |disk, change| disk.write(change, "a.txt", "hi".into())).unwrap();
    /// disk.try_edit(&at(1), |disk, change| disk.make_folder(change, "docs")).unwrap();
    /// disk.try_edit(&at(1), |disk, change| disk.rename(change, "a.txt", "docs/b.txt")).unwrap();
    /// assert_eq!(disk.read("docs/b.txt"), Some(&"hi".into()));
    /// ```
    pub struct FileSystem((Fold<Placing>, DotMap<Dot, LwwRegister<Value>>));
}
leaf!(FileSystem);

/// The longest path in bytes. What concurrent moves put deeper does not show until it is moved up again, so
/// that a view is no larger than so much for each thing.
pub const PATH_BYTES_MAX: usize = 4096;

/// Where something is: removed, at the top, or in a folder.
type Place = Option<Option<Dot>>;

/// Things with the names they were given, in the order of their making.
type Named<'a> = Vec<(Dot, &'a str)>;

/// Putting something into a folder under a name.
#[derive(Clone, Debug)]
pub struct Placing;

impl Machine for Placing {
    type Op = (Dot, Place, String);
    type State = BTreeMap<Dot, (Place, String)>;
    /// Whether it was done, and where the thing was before.
    type Undo = Option<(Dot, Option<(Place, String)>)>;

    fn apply(state: &mut Self::State, _: Dot, (id, place, name): &Self::Op) -> Self::Undo {
        // Made by others, a name may be anything; one that is no name would make paths ambiguous.
        if place.is_some() && (name.is_empty() || name.contains('/')) {
            return None;
        }
        let mut above = place.unwrap_or(None);
        while let Some(next) = above {
            if next == *id {
                return None;
            }
            above = state.get(&next).and_then(|(place, _)| place.unwrap_or(None));
        }
        Some((*id, state.insert(*id, (*place, name.clone()))))
    }

    fn revert(state: &mut Self::State, undo: Self::Undo) {
        match undo {
            None => {}
            Some((id, None)) => {
                state.remove(&id);
            }
            Some((id, Some(before))) => {
                state.insert(id, before);
            }
        }
    }
}

impl FileSystem {
    /// The content of a file. O(n log n), as all queries.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<&Value> {
        self.0.1.get(&self.find(path).ok()?)?.get()
    }

    /// Every path, ascending: folders and files.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.paths().into_keys().collect()
    }

    /// The names in a folder, ascending; nothing in the path is the top. `None` if there is no such folder.
    #[must_use]
    pub fn names(&self, folder: &str) -> Option<Vec<String>> {
        let mut below = self.below();
        let folder = resolve(&below, &names_in(folder))?;
        if folder.is_some_and(|id| self.is_file(id)) {
            return None;
        }
        Some(numbered(&below.remove(&folder).unwrap_or_default()).into_keys().collect())
    }

    /// Whether there is a folder at a path.
    #[must_use]
    pub fn is_folder(&self, path: &str) -> bool {
        self.find(path).is_ok_and(|id| !self.is_file(id))
    }

    /// Whether something is a file: it was written when it was made.
    fn is_file(&self, id: Dot) -> bool {
        self.0.1.get(&id).is_some()
    }

    /// What is in each folder, and at the top.
    fn below(&self) -> BTreeMap<Option<Dot>, Named<'_>> {
        let mut made = BTreeSet::new();
        let mut below: BTreeMap<Option<Dot>, Named<'_>> = BTreeMap::new();
        for (_, (id, _, _)) in self.0.0.ops() {
            if made.insert(*id)
                && let Some((Some(folder), name)) = self.0.0.state().get(id)
            {
                below.entry(*folder).or_default().push((*id, name));
            }
        }
        below
    }

    /// What each path leads to.
    fn paths(&self) -> BTreeMap<String, Dot> {
        let mut below = self.below();
        let mut paths = BTreeMap::new();
        let mut next = vec![(None, String::new())];
        while let Some((folder, prefix)) = next.pop() {
            for (name, id) in numbered(&below.remove(&folder).unwrap_or_default()) {
                let path = format!("{prefix}{name}");
                if path.len() <= PATH_BYTES_MAX {
                    next.push((Some(id), format!("{path}/")));
                    paths.insert(path, id);
                }
            }
        }
        paths
    }

    /// The folder that a path leads into, and the last name of the path.
    fn place(&self, path: &str) -> Result<(Option<Dot>, String), EditError> {
        let names = names_in(path);
        let Some((name, folder)) = names.split_last() else {
            return Err(EditError::refused("a path has a name"));
        };
        let no_such_place = || EditError::NoSuchPlace { step: folder.join("/") };
        let folder = resolve(&self.below(), folder).ok_or_else(no_such_place)?;
        if folder.is_some_and(|id| self.is_file(id)) {
            return Err(EditError::refused("only a folder holds something"));
        }
        if names.join("/").len() > PATH_BYTES_MAX {
            return Err(EditError::refused("the path is too long"));
        }
        Ok((folder, (*name).to_owned()))
    }

    fn find(&self, path: &str) -> Result<Dot, EditError> {
        let found = resolve(&self.below(), &names_in(path)).flatten();
        found.ok_or_else(|| EditError::NoSuchPlace { step: path.to_owned() })
    }

    /// Makes a folder; returns the delta, bottom if it is there.
    ///
    /// # Errors
    /// If the folder it is to be in does not exist, or a file is there.
    pub fn make_folder(&self, change: &mut Change, path: &str) -> Result<Self, EditError> {
        let (parent, name) = self.place(path)?;
        match self.find(path) {
            Ok(id) if self.is_file(id) => Err(EditError::refused("there is a file already")),
            Ok(_) => Ok(Self::default()),
            Err(_) => {
                let id = change.dot();
                Ok(Self((Fold::of(change, (id, Some(parent), name)), DotMap::default())))
            }
        }
    }

    /// Writes a file, which is made if need be; returns the delta.
    ///
    /// # Errors
    /// If the folder it is to be in does not exist, or a folder is there.
    pub fn write(
        &self,
        change: &mut Change,
        path: &str,
        content: Value,
    ) -> Result<Self, EditError> {
        let (parent, name) = self.place(path)?;
        let (id, placing) = match self.find(path) {
            Ok(id) if !self.is_file(id) => {
                return Err(EditError::refused("a folder has no content"));
            }
            Ok(id) => (id, Fold::default()),
            Err(_) => {
                let id = change.dot();
                (id, Fold::of(change, (id, Some(parent), name)))
            }
        };
        let vacant = LwwRegister::default();
        let content = self.0.1.get(&id).unwrap_or(&vacant).set(change, content);
        Ok(Self((placing, DotMap::of(id, content))))
    }

    /// Moves a file or folder to another path; returns the delta, bottom if it is there.
    ///
    /// # Errors
    /// If it or the other folder does not exist, if something else is there, or if the other folder is in it.
    pub fn rename(&self, change: &mut Change, from: &str, to: &str) -> Result<Self, EditError> {
        let id = self.find(from)?;
        let (parent, name) = self.place(to)?;
        let mut above = parent;
        while let Some(folder) = above {
            if folder == id {
                return Err(EditError::refused("a folder cannot be moved into itself"));
            }
            above = self.0.0.state().get(&folder).and_then(|(place, _)| place.unwrap_or(None));
        }
        match self.find(to) {
            Ok(there) if there == id => Ok(Self::default()),
            Ok(_) => Err(EditError::refused("there is something already")),
            Err(_) => Ok(Self((Fold::of(change, (id, Some(parent), name)), DotMap::default()))),
        }
    }

    /// Removes a file, or a folder with all that is in it; returns the delta. The content is kept for whoever
    /// has moved it concurrently, as that of files in folders is.
    ///
    /// # Errors
    /// If there is none.
    pub fn remove(&self, change: &mut Change, path: &str) -> Result<Self, EditError> {
        let id = self.find(path)?;
        Ok(Self((Fold::of(change, (id, None, String::new())), DotMap::default())))
    }
}

/// The names a path is made of.
fn names_in(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// What names lead to, one folder after another; nothing leads to the top.
fn resolve(below: &BTreeMap<Option<Dot>, Named<'_>>, names: &[&str]) -> Option<Option<Dot>> {
    names.iter().try_fold(None, |folder, name| {
        let inside = below.get(&folder).map(|inside| numbered(inside))?;
        inside.get(*name).map(|id| Some(*id))
    })
}

/// Things by the names they show under: the first made of a name bears it, the others with the next number
/// that makes a name nobody has. O(n log n), since a name is in the way of one other only.
fn numbered(things: &[(Dot, &str)]) -> BTreeMap<String, Dot> {
    let mut shown = BTreeMap::new();
    let mut others = Vec::new();
    for (id, name) in things {
        if shown.contains_key(*name) {
            others.push((*id, *name));
        } else {
            shown.insert((*name).to_owned(), *id);
        }
    }
    let mut numbers = BTreeMap::<&str, u64>::new();
    for (id, name) in others {
        let number = numbers.entry(name).or_insert(1);
        let free = (*number + 1..).find(|next| !shown.contains_key(&format!("{name} ({next})")));
        *number = free.unwrap_or(u64::MAX);
        shown.insert(format!("{name} ({number})"), id);
    }
    shown
}

impl Crdt for FileSystem {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let paths = self.paths().into_iter().map(|(path, id)| {
            let content = self.0.1.get(&id).and_then(LwwRegister::get).cloned();
            (Value::Text(path), content.unwrap_or_default())
        });
        Value::map(paths)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("make-folder", [path]) => self.make_folder(change, &arg::<String>(path)?),
            ("write", [path, content]) => {
                self.write(change, &arg::<String>(path)?, content.clone())
            }
            ("rename", [from, to]) => {
                self.rename(change, &arg::<String>(from)?, &arg::<String>(to)?)
            }
            ("remove", [path]) => self.remove(change, &arg::<String>(path)?),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for FileSystem {
    const ABOUT: About = About {
        kind: Kind::FileSystem,
        family: "trees",
        what: "files in folders",
        rule: "moves apply in the order of time, none closes a cycle; equal names are numbered; the latest content wins",
        algebra: "Fold<move> × Causal<DotMap<id, LWW>>",
        cost: "O(n log n)",
        source: "Vaillant 2021 (ElmerFS); Tao et al. 2015",
        operations: &[
            op("make-folder", &[Arg::Key], "makes a folder"),
            op("write", &[Arg::Key, Arg::Value], "writes a file"),
            op("rename", &[Arg::Key, Arg::Key], "moves a file or folder"),
            op("remove", &[Arg::Key], "removes a file, or a folder with all in it"),
        ],
    };
}
