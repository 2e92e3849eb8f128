//! What people do: edits of a storm, and the work that a scene gives its devices.
//!
//! Typing is a recorded trace where the scenario names one. Else it is made up: words letter by letter in bursts, slips taken back, a jump of the cursor before each burst. It
//! has the shape of recorded keystrokes (short pauses within, long ones between), not their content.

use std::collections::BTreeMap;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::{Action, ObjectEdit, Outcome, SpaceId, Target, Wish, WishId};
use rand_core::Rng as _;

use super::{What, World};
use crate::people::{edits, named};
use crate::plan::Work;

/// Shortest and longest time between two keys of a burst, in milliseconds.
const KEY_MS: (u64, u64) = (60, 260);
/// Most keys in a burst.
const KEYS_MAX: u32 = 40;
/// Of a hundred keys, so many take one back.
const SLIPS_PERCENT: u32 = 12;

impl World {
    /// A device edits something in a storm, and writes down that it did.
    pub(super) fn edit(&mut self, device: usize) {
        if !self.storming() {
            return;
        }
        let delay = self.about(self.plan.edit_every_ms);
        self.after(delay, What::Edit { device });
        let late = device >= self.plan.devices;
        let no_space = self.devices[device]
            .replica
            .as_ref()
            .is_some_and(|replica| replica.spaces().is_empty());
        if (late || self.devices[device].wishes == 0) && no_space {
            self.join_all(device);
            return;
        }
        self.edit_anything(device);
    }

    fn edit_anything(&mut self, device: usize) {
        let space = self.spaces[self.rng.next_u32() as usize % self.spaces.len()];
        let Some(before) = self.devices[device].replica.as_ref().and_then(|r| r.space(space))
        else {
            return;
        };
        if !before.ready {
            return;
        }
        let mut lengths = BTreeMap::new();
        for n in 0..3 {
            let name = format!("notes{n}");
            lengths.insert(name.clone(), self.length(device, space, &name));
        }
        let wish = WishId(self.devices[device].wishes + 1);
        let marker = self.promises.ask(device, wish, space);
        let edits = edits(&mut self.rng, marker, |name| lengths.get(name).copied().unwrap_or(0));
        let asked = edits.last().cloned();
        let outcome = self.write(device, space, edits);
        if let Some(outcome) = outcome.filter(|_| self.scene.is_none()) {
            self.see_edited(device, &before, asked, &outcome);
        }
    }

    pub(super) fn ready(&self, device: usize, space: SpaceId) -> bool {
        let replica = self.devices[device].replica.as_ref();
        replica.and_then(|replica| replica.space(space)).is_some_and(|view| view.ready)
    }

    /// Characters of a text, as a device has it.
    pub(super) fn length(&mut self, device: usize, space: SpaceId, name: &str) -> usize {
        let Some(replica) = &mut self.devices[device].replica else { return 0 };
        let Some(found) = replica.find(space, name) else { return 0 };
        let length = replica
            .read(space, found.id, |object| object.as_text().map_or(0, |text| text.len()))
            .ok()
            .flatten();
        length.unwrap_or(0)
    }

    pub(super) fn write(
        &mut self,
        device: usize,
        space: SpaceId,
        edits: Vec<ObjectEdit>,
    ) -> Option<Outcome> {
        let wish = WishId(self.devices[device].wishes + 1);
        self.devices[device].asked.insert(wish, space);
        self.wish(device, Wish::Edit { space, edits })
    }

    /// A device does some of its work; `keys` are left of a burst of typing.
    pub(super) fn labour(&mut self, device: usize, labour: usize, keys: u32) {
        let group = self.scene.as_ref().and_then(|scene| scene.group(device));
        let Some(what) = group.and_then(|group| group.work.get(labour)).copied() else { return };
        if !self.storming() {
            return;
        }
        let mut left = keys.saturating_sub(1);
        if keys == 0 && matches!(what.work, Work::Typing { .. }) {
            left = 1 + self.rng.next_u32() % KEYS_MAX;
        }
        let delay = if left > 0 {
            KEY_MS.0 + self.rng.next_u64() % (KEY_MS.1 - KEY_MS.0)
        } else {
            self.about(what.every_ms)
        };
        self.after(delay, What::Labour { device, labour, keys: left });
        let mine: Vec<usize> =
            (0..self.shares.len()).filter(|n| self.shares[*n].contains(&device)).collect();
        if mine.is_empty() || self.devices[device].replica.is_none() {
            return;
        }
        // A burst goes into one text of one space: what was drawn for it must be the same for each key.
        let place = match what.work {
            Work::Typing { .. } => mine[device % mine.len()],
            _ => mine[self.rng.next_u32() as usize % mine.len()],
        };
        let space = self.spaces[place];
        if self.ready(device, space) {
            self.work(device, space, what.work, keys == 0);
        }
    }

    pub(super) fn work(&mut self, device: usize, space: SpaceId, work: Work, begins: bool) {
        let drawn = self.rng.next_u64();
        match work {
            Work::Mixed => self.edit_anything(device),
            Work::Typing { texts, trace } => {
                let name = format!("text{}", device as u64 % texts.max(1));
                match trace {
                    Some(trace) => self.type_again(device, space, &name, trace),
                    None => self.press_key(device, space, &name, begins),
                }
            }
            Work::KeyValue { keys, bytes } => {
                let key = format!("key{}", drawn % keys.max(1));
                let edit = if drawn >> 32 & 15 == 0 {
                    Edit::Remove { key }
                } else {
                    let length = usize::try_from(bytes).unwrap_or(0);
                    let mut value = format!("{drawn:x}");
                    value.extend(std::iter::repeat_n('v', length.saturating_sub(value.len())));
                    Edit::Put { key, value: Value::Text(value) }
                };
                self.write(device, space, vec![named("values", Kind::Map, edit)]);
            }
            Work::Count => {
                let name = format!("meter{device}");
                let edit = Edit::Increment(i64::try_from(drawn % 100).unwrap_or(1));
                self.write(device, space, vec![named(&name, Kind::Counter, edit)]);
            }
            Work::Presence { bytes } => {
                let mut value = vec![0; usize::try_from(bytes).unwrap_or(0)];
                self.rng.fill_bytes(&mut value);
                self.wish(device, Wish::Present { space, value: Some(value) });
            }
            Work::Govern => self.govern_once(device, space),
        }
    }

    fn press_key(&mut self, device: usize, space: SpaceId, name: &str, begins: bool) {
        let length = self.length(device, space, name);
        let drawn = self.rng.next_u32();
        let mut cursor = self.devices[device].cursor.min(length);
        if begins && !drawn.is_multiple_of(3) {
            cursor = drawn as usize / 3 % (length + 1);
        }
        let slip = drawn / 7 % 100 < SLIPS_PERCENT && cursor > 0;
        let letters = b"eetaoinshrdlucmfwypvbgk  ";
        let letter = char::from(letters[drawn as usize / 1_000 % letters.len()]);
        let edit = if slip {
            Edit::Splice { at: cursor - 1, delete: 1, insert: String::new() }
        } else {
            Edit::Splice { at: cursor, delete: 0, insert: letter.to_string() }
        };
        self.devices[device].cursor = if slip { cursor - 1 } else { cursor + 1 };
        self.write(device, space, vec![named(name, Kind::Text, edit)]);
    }

    /// The next edit of a recorded trace: the cursor moves as it did, within the text as it is here.
    fn type_again(&mut self, device: usize, space: SpaceId, name: &str, trace: usize) {
        let Some(scene) = self.scene.clone() else { return };
        let Some(typed) = scene.traces.get(trace) else { return };
        let length = self.length(device, space, name);
        let it = &mut self.devices[device];
        let next = typed.next(scene.typist(device, trace), it.typed);
        let Some((by, gone, comes)) = next else { return };
        let at = (it.cursor as i64).saturating_add(by).clamp(0, length as i64) as usize;
        it.typed += 1;
        it.cursor = at + comes.chars().count();
        let edit = Edit::Splice { at, delete: gone.min(length - at), insert: comes.to_owned() };
        self.write(device, space, vec![named(name, Kind::Text, edit)]);
    }

    /// Writes many files at once, as when a folder is shared.
    pub(super) fn import(&mut self, device: usize, files: u64, bytes: u64) {
        let Some(place) = (0..self.shares.len()).find(|n| self.shares[*n].contains(&device)) else {
            return;
        };
        let space = self.spaces[place];
        for n in 0..files {
            let mut content = format!("file {n} of device {device}\n");
            while (content.len() as u64) < bytes {
                content.push_str(&format!("line {:x}\n", self.rng.next_u64()));
            }
            let name = format!("import{device}/{n:06}.md");
            let target = Target::File { name, content };
            self.write(device, space, vec![ObjectEdit { target, action: Action::Create }]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{NEVER, Trace};

    #[test]
    fn a_trace_that_one_types_is_in_the_end_the_text_of_all() {
        let patches = (0..400_usize).map(|n| match n % 9 {
            8 => (n / 2, 3, "–".to_owned()),
            7 => (n / 3, 0, "two words ".to_owned()),
            _ => (n / 2, 0, "t".to_owned()),
        });
        let trace = Trace::from(patches.collect::<Vec<_>>());
        let mut expected: Vec<char> = Vec::new();
        for (at, gone, comes) in Vec::from(trace.clone()) {
            expected.splice(at..at + gone, comes.chars());
        }
        let expected: String = expected.into_iter().collect();
        let mut plan = crate::scenario::plan("lan-of-3", 1, false).unwrap();
        plan.govern_every_ms = NEVER;
        let scene = plan.scene.as_mut().unwrap();
        scene.traces = vec![trace];
        let mut typist = scene.groups[0].clone();
        typist.count = 1;
        for labour in &mut typist.work {
            labour.work = Work::Typing { texts: 1, trace: Some(0) };
            labour.every_ms = 1;
        }
        typist.work.truncate(1);
        scene.groups[0].work.clear();
        (scene.groups[0].first, scene.groups[0].count) = (1, 2);
        scene.groups.insert(0, typist);
        let mut world = World::new(plan);
        world.begin();
        while world.devices[0].typed < 400 {
            let (at, what) = world.queue.pop_until(NEVER - 1).unwrap();
            world.now_ms = world.now_ms.max(at);
            world.happen(what);
        }
        let text = |world: &mut World, n: usize| {
            let space = world.spaces[0];
            let replica = world.devices[n].replica.as_mut().unwrap();
            let found = replica.find(space, "text0").unwrap();
            let text = replica.read(space, found.id, |it| it.as_text().map(|it| it.to_string()));
            text.unwrap().flatten()
        };
        assert_eq!(text(&mut world, 0).as_deref(), Some(&*expected));
        world.storm = false;
        let end = world.now_ms + 60_000;
        world.run_until(end, |_| false);
        assert_eq!(text(&mut world, 2).as_deref(), Some(&*expected));
        assert!(world.failures.is_empty(), "{:?}", world.failures);
    }
}
