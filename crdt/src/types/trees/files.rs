//! The file system.

use std::collections::BTreeMap;

use crate::algebra::{DotMap, Fold, Machine};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::LwwRegister;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Files in folders, by path. Moving and renaming is one move in a tree, so concurrent moves neither lose nor double
    /// anything. Two things of one name in one folder are both kept; all but the first made are shown with a number.
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

/// Where something is: removed, at the top, or in a folder.
type Place = Option<Option<Dot>>;

/// Putting something into a folder under a name.
#[derive(Clone, Debug)]
pub struct Placing;

impl Machine for Placing {
    type Op = (Dot, Place, String);
    type State = BTreeMap<Dot, (Place, String)>;
    /// Whether it was done, and where the thing was before.
    type Undo = Option<(Dot, Option<(Place, String)>)>;

    fn apply(state: &mut Self::State, _: Dot, (id, place, name): &Self::Op) -> Self::Undo {
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
        self.0.1.get(self.paths().get(path)?)?.get()
    }

    /// Every path, ascending: folders and files.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.paths().into_keys().collect()
    }

    /// What each path leads to.
    fn paths(&self) -> BTreeMap<String, Dot> {
        let mut below: BTreeMap<Option<Dot>, Vec<(Dot, &str)>> = BTreeMap::new();
        for (id, (place, name)) in self.0.0.state() {
            if let Some(parent) = place {
                below.entry(*parent).or_default().push((*id, name));
            }
        }
        let mut paths = BTreeMap::new();
        let mut next = vec![(None, String::new())];
        while let Some((folder, prefix)) = next.pop() {
            let mut taken = BTreeMap::<&str, u32>::new();
            for (id, name) in below.remove(&folder).unwrap_or_default() {
                let same = taken.entry(name).or_default();
                *same += 1;
                let number = if *same > 1 { format!(" ({same})") } else { String::new() };
                let path = format!("{prefix}{name}{number}");
                next.push((Some(id), format!("{path}/")));
                paths.entry(path).or_insert(id);
            }
        }
        paths
    }

    /// The folder that a path leads into, and the last name of the path.
    fn place(&self, path: &str) -> Result<(Option<Dot>, String), EditError> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return Err(EditError::refused("a path has a name"));
        }
        let Some((folder, name)) = path.rsplit_once('/') else {
            return Ok((None, path.to_owned()));
        };
        Ok((Some(self.find(folder)?), name.to_owned()))
    }

    fn find(&self, path: &str) -> Result<Dot, EditError> {
        let found = self.paths().get(path.trim_matches('/')).copied();
        found.ok_or_else(|| EditError::NoSuchPlace { step: path.to_owned() })
    }

    /// Makes a folder; returns the delta, bottom if there is something.
    ///
    /// # Errors
    /// If the folder it is to be in does not exist.
    pub fn make_folder(&self, change: &mut Change, path: &str) -> Result<Self, EditError> {
        let (parent, name) = self.place(path)?;
        if self.find(path).is_ok() {
            return Ok(Self::default());
        }
        let id = change.dot();
        Ok(Self((Fold::of(change, (id, Some(parent), name)), DotMap::default())))
    }

    /// Writes a file, which is made if need be; returns the delta.
    ///
    /// # Errors
    /// If the folder it is to be in does not exist.
    pub fn write(
        &self,
        change: &mut Change,
        path: &str,
        content: Value,
    ) -> Result<Self, EditError> {
        let (parent, name) = self.place(path)?;
        let (id, placing) = match self.find(path) {
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

    /// Moves a file or folder to another path; returns the delta.
    ///
    /// # Errors
    /// If one of the two does not exist, the folder of the other included.
    pub fn rename(&self, change: &mut Change, from: &str, to: &str) -> Result<Self, EditError> {
        let id = self.find(from)?;
        let (parent, name) = self.place(to)?;
        Ok(Self((Fold::of(change, (id, Some(parent), name)), DotMap::default())))
    }

    /// Removes a file, or a folder with all that is in it; returns the delta.
    ///
    /// # Errors
    /// If there is none.
    pub fn remove(&self, change: &mut Change, path: &str) -> Result<Self, EditError> {
        let id = self.find(path)?;
        if let Some(content) = self.0.1.get(&id) {
            change.forget_all(content);
        }
        Ok(Self((Fold::of(change, (id, None, String::new())), DotMap::default())))
    }
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
