//! Undo and redo of what was written here; what others wrote stays.

use super::journal::Listening;
use super::{FileError, TextDoc};
use crate::dot::{Dot, DotRange};

/// A step: the events of the own log from a number to before another.
#[derive(Clone, Copy, Debug)]
struct Step {
    from: u32,
    to: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    /// Where the step in the making begins.
    start: u32,
    done: Vec<Step>,
    undone: Vec<Step>,
    /// What was put back, and as which dots.
    again: Vec<(DotRange, Dot)>,
}

impl TextDoc {
    /// Ends a step: what was written since the last one is undone at once.
    pub fn checkpoint(&mut self) {
        let start = self.steps.start.max(1);
        if self.next > start {
            self.steps.done.push(Step { from: start, to: self.next });
            self.steps.undone.clear();
        }
        self.steps.start = self.next;
    }

    /// Takes back the last step, by new edits; tells whether there was one.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn undo(&mut self) -> Result<bool, FileError> {
        self.checkpoint();
        let Some(step) = self.steps.done.pop() else { return Ok(false) };
        let inverse = self.invert(step)?;
        self.steps.undone.push(inverse);
        Ok(true)
    }

    /// Does the last step again that was taken back, if nothing was written since; tells whether there was one.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn redo(&mut self) -> Result<bool, FileError> {
        self.checkpoint();
        let Some(step) = self.steps.undone.pop() else { return Ok(false) };
        let inverse = self.invert(step)?;
        self.steps.done.push(inverse);
        Ok(true)
    }

    /// Does the opposite of a step, the last event first.
    fn invert(&mut self, step: Step) -> Result<Step, FileError> {
        self.thaw()?;
        let from = self.next;
        let (start, len) = (u64::from(step.from), u64::from(step.to - step.from));
        let range = DotRange { log: self.log, start, len };
        let mut gone = Vec::new();
        self.chars.gone_in(range, &mut |part| gone.push(part));
        let mut inserted = Vec::new();
        self.chars.runs_in(range, &mut |run| inserted.push(run.dots::<crate::algebra::Chars>()));
        for dots in inserted {
            self.take_away(dots);
        }
        for gone in gone.into_iter().rev() {
            self.put_back(gone.targets());
        }
        self.steps.start = self.next;
        Ok(Step { from, to: self.next })
    }

    /// Deletes what shows of some dots, and of what was put back for them.
    fn take_away(&mut self, dots: DotRange) {
        let mut all = vec![dots];
        let mut next = 0;
        while let Some(part) = all.get(next).copied() {
            next += 1;
            for (old, new) in &self.steps.again {
                let (start, end) = (old.start.max(part.start), old.end().min(part.end()));
                if old.log == part.log && start < end {
                    let first = new.plus(start - old.start);
                    all.push(DotRange { log: first.log, start: first.seq, len: end - start });
                }
            }
        }
        for part in all {
            for offset in (0..part.len).rev() {
                let dot = part.first().plus(offset);
                let at = self.chars.position_of(dot);
                if let Some(at) = at.filter(|at| self.chars.dot_at(*at) == Some(dot)) {
                    self.delete(at, 1).expect("the character is there");
                }
            }
        }
    }

    /// Inserts again what some deleted dots were, where they stood.
    fn put_back(&mut self, dots: DotRange) {
        let mut text = String::new();
        if self.chars.each_slice_of(&[dots], |slice| text.push_str(slice)).is_none() {
            return;
        }
        let weave = self.chars.weave_mut();
        let own = *self.own.get_or_insert_with(|| weave.log(self.log));
        let len = super::count(&text).and_then(|len| Some((len, self.next.checked_add(len)?)));
        let (Some(id), Some((_, next))) = (weave.id_of(dots.first()), len) else { return };
        let mut listening = Listening { journal: &mut self.journal, splice: |_, _, _: &str| () };
        weave.insert_before(own, self.next, id, &text, &mut listening);
        self.steps.again.push((dots, Dot { log: self.log, seq: u64::from(self.next) }));
        self.next = next;
    }
}
