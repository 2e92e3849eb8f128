//! What the users of a world do, and what they were promised.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::{Action, ObjectEdit, SpaceId, Target, WishId};
use rand_core::Rng;

/// The set to which every device adds a marker for each of its edits: what was granted must be found.
pub(crate) const MARKERS: &str = "markers";

/// The counter of a space.
pub(crate) const VISITS: &str = "visits";

/// What was granted: for each space the markers that are durable somewhere.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    asked: BTreeMap<(usize, WishId), (SpaceId, String)>,
    granted: BTreeMap<SpaceId, BTreeSet<String>>,
    next: u64,
    /// By space: the sum of all increments that were granted.
    counted: BTreeMap<SpaceId, i64>,
}

impl Promises {
    /// A new marker of a device, to be remembered under the wish that writes it.
    pub(crate) fn ask(&mut self, device: usize, wish: WishId, space: SpaceId) -> String {
        self.next += 1;
        let marker = format!("d{device}-{}", self.next);
        self.asked.insert((device, wish), (space, marker.clone()));
        marker
    }

    pub(crate) fn grant(&mut self, device: usize, wish: WishId) {
        if let Some((space, marker)) = self.asked.remove(&(device, wish)) {
            self.granted.entry(space).or_default().insert(marker);
        }
    }

    /// What was asked for under a wish is promised by nobody.
    pub(crate) fn refuse(&mut self, device: usize, wish: WishId) {
        self.asked.remove(&(device, wish));
    }

    /// How many edits have been asked for so far.
    pub(crate) fn asked(&self) -> u64 {
        self.next
    }

    /// A device has lost what it was granted after so many edits had been asked for.
    pub(crate) fn forget(&mut self, device: usize, asked: u64) {
        let lost = |marker: &String| {
            let (by, number) = marker.strip_prefix('d').and_then(|it| it.split_once('-'))?;
            Some(by.parse() == Ok(device) && number.parse::<u64>().ok()? > asked)
        };
        for markers in self.granted.values_mut() {
            markers.retain(|marker| lost(marker) != Some(true));
        }
    }

    /// Notes that an increment was granted.
    pub(crate) fn count_on(&mut self, space: SpaceId, by: i64) {
        *self.counted.entry(space).or_default() += by;
    }

    /// What the counter of a space must say, if everything that was written was granted.
    pub(crate) fn counted(&self, space: SpaceId) -> i64 {
        self.counted.get(&space).copied().unwrap_or(0)
    }

    pub(crate) fn granted(&self, space: SpaceId) -> impl Iterator<Item = &String> {
        self.granted.get(&space).into_iter().flatten()
    }
}

/// A random edit, and a marker beside it. `length` tells how long a text is here now.
pub(crate) fn edits(
    rng: &mut dyn Rng,
    marker: String,
    length: impl Fn(&str) -> usize,
) -> Vec<ObjectEdit> {
    let pick = |rng: &mut dyn Rng, n: u32| rng.next_u32() % n;
    let target =
        |name: &str, kind: Kind| Target::Named { name: name.to_owned(), shape: kind.into() };
    let mut edits = vec![ObjectEdit {
        target: target(MARKERS, Kind::Set),
        action: Action::Change(Edit::Add(Value::Text(marker.clone()))),
    }];
    let n = pick(rng, 3);
    let (target, action) = match pick(rng, 9) {
        0 => (target("title", Kind::Register), Action::Change(Edit::Set(marker.into()))),
        1 => {
            let edit = Edit::Put { key: format!("k{n}"), value: marker.into() };
            (target("settings", Kind::Map), Action::Change(edit))
        }
        2 => {
            let edit = Edit::Remove { key: format!("k{n}") };
            (target("settings", Kind::Map), Action::Change(edit))
        }
        3 => {
            let by = i64::from(pick(rng, 20)) - 10;
            (target(VISITS, Kind::Counter), Action::Change(Edit::Increment(by)))
        }
        4 | 5 => {
            let name = format!("notes{n}");
            let length = length(&name);
            let at = pick(rng, 1 + u32::try_from(length).unwrap_or(0)) as usize;
            let delete = (pick(rng, 4) as usize).min(length - at);
            let edit = Edit::Splice { at, delete, insert: marker };
            (target(&name, Kind::Text), Action::Change(edit))
        }
        6 => {
            let content = format!("file {}", pick(rng, 2));
            (Target::File { name: format!("file{n}.md"), content }, Action::Create)
        }
        7 => (target(&format!("notes{n}"), Kind::Text), Action::Delete),
        _ => {
            let name = format!("notes{}", pick(rng, 3));
            (target(&format!("notes{n}"), Kind::Text), Action::Rename(name))
        }
    };
    edits.push(ObjectEdit { target, action });
    edits
}

/// One change of an object.
pub(crate) fn named(name: &str, kind: Kind, edit: Edit) -> ObjectEdit {
    let target = Target::Named { name: name.to_owned(), shape: kind.into() };
    ObjectEdit { target, action: Action::Change(edit) }
}
