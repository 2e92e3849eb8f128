//! The order of a sequence's elements: a B+ tree of pieces, each some consecutive slots of one log.
//!
//! Finding a visible index, changing a piece and telling an element's index are O(log n). Leaves are linked
//! both ways. Node numbers and cursors never leave the sequence and are not kept across changes, which is why
//! indexing by them cannot fail.
#![allow(clippy::indexing_slicing)]

use std::cmp::Ordering;

use super::elements::{Unit, Width};

const LEAF_MAX: usize = 32;
const INNER_MAX: usize = 32;
/// No node.
const NIL: u32 = u32::MAX;
const HIDDEN: u32 = 1 << 31;

/// An element: a log's number, and a slot in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub log: u32,
    pub at: u32,
}

impl Id {
    /// No element: the start or the end of the sequence.
    pub const NONE: Self = Self { log: u32::MAX, at: u32::MAX };

    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    pub fn plus(self, by: u32) -> Self {
        Self { log: self.log, at: self.at + by }
    }
}

/// Consecutive slots of one log that stand next to each other, all visible or all hidden.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub first: Id,
    /// Length, and in the highest bit whether it is hidden.
    size: u32,
}

impl Piece {
    pub fn new(first: Id, len: u32, visible: bool) -> Self {
        Self { first, size: if visible { len } else { len | HIDDEN } }
    }

    pub fn len(self) -> u32 {
        self.size & !HIDDEN
    }

    pub fn visible(self) -> bool {
        self.size & HIDDEN == 0
    }

    pub fn last(self) -> Id {
        self.first.plus(self.len() - 1)
    }

    fn offset_of(self, id: Id) -> Option<u32> {
        let inside = self.first.log == id.log
            && id.at >= self.first.at
            && id.at - self.first.at < self.len();
        inside.then(|| id.at - self.first.at)
    }

    fn part(self, from: u32, to: u32) -> Self {
        Self::new(self.first.plus(from), to - from, self.visible())
    }

    /// Whether `next` continues it.
    fn meets(self, next: Self) -> bool {
        self.visible() == next.visible()
            && self.first.log == next.first.log
            && self.first.at + self.len() == next.first.at
    }
}

/// An element of a piece of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub leaf: u32,
    pub index: usize,
    pub offset: u32,
}

#[derive(Clone, Debug)]
struct Leaf {
    pieces: Vec<Piece>,
    parent: u32,
    before: u32,
    after: u32,
}

#[derive(Clone, Debug)]
struct Inner {
    children: Vec<u32>,
    widths: Vec<Width>,
    parent: u32,
}

/// Pieces that moved from one leaf to another, new one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub to: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    leaves: Vec<Leaf>,
    inners: Vec<Inner>,
    root: u32,
    /// Levels of inner nodes.
    height: u32,
    total: Width,
    last: u32,
    /// The way up from the leaf that changed last: inner nodes, and which child each is come from.
    way: Vec<(u32, u32)>,
    way_from: u32,
}

impl Default for Pieces {
    fn default() -> Self {
        let leaf = Leaf { pieces: Vec::new(), parent: NIL, before: NIL, after: NIL };
        Self {
            leaves: vec![leaf],
            inners: Vec::new(),
            root: 0,
            height: 0,
            total: Width::default(),
            last: 0,
            way: Vec::new(),
            way_from: NIL,
        }
    }
}

impl Pieces {
    /// A tree of pieces in order.
    pub fn build(pieces: impl Iterator<Item = Piece>, width_of: impl Fn(Piece) -> Width) -> Self {
        let mut tree = Self::default();
        let mut widths = vec![Width::default()];
        let mut last: Option<Piece> = None;
        for piece in pieces {
            let width = if piece.visible() { width_of(piece) } else { Width::default() };
            if let Some(before) = last.as_mut().filter(|before| before.meets(piece)) {
                *before = Piece::new(before.first, before.len() + piece.len(), piece.visible());
                let leaf = tree.last as usize;
                if let Some(kept) = tree.leaves[leaf].pieces.last_mut() {
                    *kept = *before;
                }
            } else {
                if tree.leaves[tree.last as usize].pieces.len() >= LEAF_MAX * 3 / 4 {
                    let fresh = number(tree.leaves.len());
                    tree.leaves[tree.last as usize].after = fresh;
                    let pieces = Vec::with_capacity(LEAF_MAX);
                    tree.leaves.push(Leaf { pieces, parent: NIL, before: tree.last, after: NIL });
                    widths.push(Width::default());
                    tree.last = fresh;
                }
                tree.leaves[tree.last as usize].pieces.push(piece);
                last = Some(piece);
            }
            *widths.last_mut().expect("there is one for each leaf") += width;
            tree.total += width;
        }
        let mut level: Vec<(u32, Width)> = (0..).zip(widths).collect();
        while level.len() > 1 {
            let mut above = Vec::new();
            for group in level.chunks(INNER_MAX * 3 / 4) {
                let node = number(tree.inners.len());
                for (child, _) in group {
                    *tree.parent_at(tree.height, *child) = node;
                }
                let children = group.iter().map(|(child, _)| *child).collect();
                let widths: Vec<Width> = group.iter().map(|(_, width)| *width).collect();
                let width = widths.iter().fold(Width::default(), |sum, width| sum + *width);
                tree.inners.push(Inner { children, widths, parent: NIL });
                above.push((node, width));
            }
            tree.height += 1;
            level = above;
        }
        tree.root = level[0].0;
        tree
    }

    fn parent_at(&mut self, height: u32, node: u32) -> &mut u32 {
        if height == 0 {
            &mut self.leaves[node as usize].parent
        } else {
            &mut self.inners[node as usize].parent
        }
    }

    /// How much is visible.
    pub fn total(&self) -> Width {
        self.total
    }

    pub fn piece(&self, at: Cursor) -> Piece {
        self.leaves[at.leaf as usize].pieces[at.index]
    }

    pub fn id(&self, at: Cursor) -> Id {
        self.piece(at).first.plus(at.offset)
    }

    /// All pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = Piece> {
        self.leaves().flat_map(|(_, pieces)| pieces.iter().copied())
    }

    /// The leaves in order.
    pub fn leaves(&self) -> impl Iterator<Item = (u32, &[Piece])> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let leaf = self.leaves.get(next as usize)?;
            let this = next;
            next = leaf.after;
            Some((this, leaf.pieces.as_slice()))
        })
    }

    /// The pieces from a leaf's piece on.
    pub fn iter_from(&self, at: Cursor) -> impl Iterator<Item = Piece> {
        let mut cursor = Some(Cursor { offset: 0, ..at });
        std::iter::from_fn(move || {
            let at = cursor?;
            cursor = self.next_piece(at);
            Some(self.piece(at))
        })
    }

    pub fn first(&self) -> Option<Cursor> {
        let some = !self.leaves[0].pieces.is_empty();
        some.then_some(Cursor { leaf: 0, index: 0, offset: 0 })
    }

    /// The first element of the piece after a cursor's.
    pub fn next_piece(&self, at: Cursor) -> Option<Cursor> {
        let leaf = &self.leaves[at.leaf as usize];
        if at.index + 1 < leaf.pieces.len() {
            return Some(Cursor { leaf: at.leaf, index: at.index + 1, offset: 0 });
        }
        (leaf.after != NIL).then_some(Cursor { leaf: leaf.after, index: 0, offset: 0 })
    }

    /// The element after one.
    pub fn next(&self, at: Cursor) -> Option<Cursor> {
        if at.offset + 1 < self.piece(at).len() {
            return Some(Cursor { offset: at.offset + 1, ..at });
        }
        self.next_piece(at)
    }

    /// The element before one.
    pub fn prev(&self, at: Cursor) -> Option<Cursor> {
        if at.offset > 0 {
            return Some(Cursor { offset: at.offset - 1, ..at });
        }
        let (leaf, index) = match at.index.checked_sub(1) {
            Some(index) => (at.leaf, index),
            None => {
                let leaf = self.leaves[at.leaf as usize].before;
                if leaf == NIL {
                    return None;
                }
                (leaf, self.leaves[leaf as usize].pieces.len() - 1)
            }
        };
        let offset = self.leaves[leaf as usize].pieces[index].len() - 1;
        Some(Cursor { leaf, index, offset })
    }

    /// The cursor of an element, if a certain piece of a leaf ends with it.
    pub fn ends_at(&self, (leaf, index): (u32, usize), id: Id) -> Option<Cursor> {
        let piece = self.leaves.get(leaf as usize)?.pieces.get(index)?;
        let ends = piece.first.log == id.log && piece.last() == id;
        ends.then(|| Cursor { leaf, index, offset: piece.len() - 1 })
    }

    /// Where in a leaf an element is.
    pub fn find_in(&self, leaf: u32, id: Id) -> Option<Cursor> {
        let pieces = &self.leaves.get(leaf as usize)?.pieces;
        pieces.iter().enumerate().find_map(|(index, piece)| {
            piece.offset_of(id).map(|offset| Cursor { leaf, index, offset })
        })
    }

    /// The pieces of a leaf.
    pub fn of_leaf(&self, leaf: u32) -> &[Piece] {
        &self.leaves[leaf as usize].pieces
    }

    /// The visible element of a leaf with `rest` others before it there.
    pub fn find_visible_in(&self, leaf: u32, mut rest: u32) -> Option<Cursor> {
        for (index, piece) in self.leaves[leaf as usize].pieces.iter().enumerate() {
            if !piece.visible() {
                continue;
            }
            if rest < piece.len() {
                return Some(Cursor { leaf, index, offset: rest });
            }
            rest -= piece.len();
        }
        None
    }

    /// The visible element at an index, and how many are visible before its leaf.
    pub fn find_visible(&self, index: u32) -> Option<(Cursor, u32)> {
        let (mut node, mut rest) = (self.root, index);
        for _ in 0..self.height {
            let inner = &self.inners[node as usize];
            let mut child = 0;
            while rest >= inner.widths.get(child)?.items {
                rest -= inner.widths[child].items;
                child += 1;
            }
            node = inner.children[child];
        }
        Some((self.find_visible_in(node, rest)?, index - rest))
    }

    /// The visible element that holds the unit at `position`, and the units of it before that.
    pub fn find(
        &self,
        unit: Unit,
        position: u32,
        width_of: impl Fn(Id, u32) -> Width,
    ) -> Option<(Cursor, u32)> {
        if position >= self.total.of(unit) {
            return None;
        }
        let (mut node, mut rest) = (self.root, position);
        for _ in 0..self.height {
            let inner = &self.inners[node as usize];
            let mut child = 0;
            while rest >= inner.widths[child].of(unit) {
                rest -= inner.widths[child].of(unit);
                child += 1;
            }
            node = inner.children[child];
        }
        for (index, piece) in self.leaves[node as usize].pieces.iter().enumerate() {
            if !piece.visible() {
                continue;
            }
            let width = match unit {
                Unit::Char => piece.len(),
                _ => width_of(piece.first, piece.len()).of(unit),
            };
            if rest >= width {
                rest -= width;
                continue;
            }
            if unit == Unit::Char {
                return Some((Cursor { leaf: node, index, offset: rest }, 0));
            }
            let (mut low, mut high) = (0, piece.len() - 1);
            while low < high {
                let middle = (low + high).div_ceil(2);
                if width_of(piece.first, middle).of(unit) <= rest {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            let rest = rest - width_of(piece.first, low).of(unit);
            return Some((Cursor { leaf: node, index, offset: low }, rest));
        }
        None
    }

    /// How much is visible before an element.
    pub fn width_before(&self, at: Cursor, width_of: impl Fn(Id, u32) -> Width) -> Width {
        let mut before = Width::default();
        let leaf = &self.leaves[at.leaf as usize];
        for piece in leaf.pieces[..at.index].iter().filter(|piece| piece.visible()) {
            before += width_of(piece.first, piece.len());
        }
        let piece = leaf.pieces[at.index];
        if piece.visible() && at.offset > 0 {
            before += width_of(piece.first, at.offset);
        }
        let (mut node, mut parent) = (at.leaf, leaf.parent);
        while parent != NIL {
            let inner = &self.inners[parent as usize];
            for (child, width) in inner.children.iter().zip(&inner.widths) {
                if *child == node {
                    break;
                }
                before += *width;
            }
            (node, parent) = (parent, inner.parent);
        }
        before
    }

    /// Which of two elements stands first.
    pub fn compare(&self, one: Cursor, other: Cursor) -> Ordering {
        if one.leaf == other.leaf {
            return (one.index, one.offset).cmp(&(other.index, other.offset));
        }
        let (mut a, mut b) = (one.leaf, other.leaf);
        let mut parents = (self.leaves[a as usize].parent, self.leaves[b as usize].parent);
        while parents.0 != parents.1 {
            (a, b) = parents;
            parents = (self.inners[a as usize].parent, self.inners[b as usize].parent);
        }
        let children = &self.inners[parents.0 as usize].children;
        let first = children.iter().find(|child| **child == a || **child == b);
        if first == Some(&a) { Ordering::Less } else { Ordering::Greater }
    }

    /// Adds `more` and takes `less` from what is visible in a leaf.
    fn weigh(&mut self, leaf: u32, more: Width, less: Width) {
        self.total += more;
        self.total -= less;
        if self.way_from != leaf {
            self.way_from = leaf;
            self.way.clear();
            let (mut node, mut parent) = (leaf, self.leaves[leaf as usize].parent);
            while parent != NIL {
                let inner = &self.inners[parent as usize];
                self.way.push((parent, number(position(&inner.children, node))));
                (node, parent) = (parent, inner.parent);
            }
        }
        for (inner, child) in &self.way {
            let width = &mut self.inners[*inner as usize].widths[*child as usize];
            *width += more;
            *width -= less;
        }
    }

    /// Makes a piece longer whose log's next slots follow it.
    pub fn extend(&mut self, leaf: u32, index: usize, width: Width) {
        self.leaves[leaf as usize].pieces[index].size += width.items;
        self.weigh(leaf, width, Width::default());
    }

    /// Puts a piece after an element, or first; `width` is what is visible of it.
    pub fn insert(
        &mut self,
        after: Option<Cursor>,
        piece: Piece,
        width: Width,
        width_of: impl Fn(Piece) -> Width,
    ) -> (Cursor, Option<Moved>) {
        let at = after.unwrap_or(Cursor { leaf: 0, index: 0, offset: 0 });
        self.weigh(at.leaf, width, Width::default());
        let pieces = &mut self.leaves[at.leaf as usize].pieces;
        let index = if after.is_none() {
            pieces.insert(0, piece);
            0
        } else {
            let host = pieces[at.index];
            let cut = at.offset + 1;
            if cut < host.len() {
                pieces[at.index] = host.part(0, cut);
                let rest = host.part(cut, host.len());
                pieces.splice(at.index + 1..at.index + 1, [piece, rest]);
                at.index + 1
            } else if host.meets(piece) {
                pieces[at.index].size += piece.len();
                at.index
            } else {
                pieces.insert(at.index + 1, piece);
                at.index + 1
            }
        };
        let offset = self.leaves[at.leaf as usize].pieces[index].len() - piece.len();
        let cursor = Cursor { leaf: at.leaf, index, offset };
        self.balance(cursor, width_of)
    }

    /// Hides `len` elements of a visible piece from an element on; `width` is what they were.
    pub fn hide(
        &mut self,
        at: Cursor,
        len: u32,
        width: Width,
        width_of: impl Fn(Piece) -> Width,
    ) -> Option<Moved> {
        self.weigh(at.leaf, Width::default(), width);
        let pieces = &mut self.leaves[at.leaf as usize].pieces;
        let host = pieces[at.index];
        let middle = Piece::new(host.first.plus(at.offset), len, false);
        // What typing takes back, or deletes key by key, goes over to the neighbour.
        if at.offset > 0
            && at.offset + len == host.len()
            && let Some(next) = pieces.get_mut(at.index + 1).filter(|next| middle.meets(**next))
        {
            next.first = middle.first;
            next.size += len;
            pieces[at.index].size -= len;
            return None;
        }
        if at.offset == 0 && len < host.len() && at.index > 0 && pieces[at.index - 1].meets(middle)
        {
            pieces[at.index - 1].size += len;
            pieces[at.index] = host.part(len, host.len());
            return None;
        }
        let from = at.index.saturating_sub(1);
        let to = (at.index + 1).min(pieces.len() - 1);
        let mut fresh = [middle; 5];
        let mut count = 0;
        let mut push = |piece: Piece| {
            if piece.len() == 0 {
                return;
            }
            if count > 0 && fresh[count - 1].meets(piece) {
                fresh[count - 1].size += piece.len();
            } else {
                fresh[count] = piece;
                count += 1;
            }
        };
        if from < at.index {
            push(pieces[from]);
        }
        push(host.part(0, at.offset));
        push(middle);
        push(host.part(at.offset + len, host.len()));
        if to > at.index {
            push(pieces[to]);
        }
        pieces.splice(from..=to, fresh[..count].iter().copied());
        self.balance(at, width_of).1
    }

    /// Shows `len` elements of a hidden piece from an element on; `width` is what they are.
    pub fn show(
        &mut self,
        at: Cursor,
        len: u32,
        width: Width,
        width_of: impl Fn(Piece) -> Width,
    ) -> Option<Moved> {
        self.weigh(at.leaf, width, Width::default());
        let pieces = &mut self.leaves[at.leaf as usize].pieces;
        let host = pieces[at.index];
        let parts = [
            host.part(0, at.offset),
            Piece::new(host.first.plus(at.offset), len, true),
            host.part(at.offset + len, host.len()),
        ];
        pieces.splice(at.index..=at.index, parts.into_iter().filter(|part| part.len() > 0));
        self.balance(at, width_of).1
    }

    /// Splits the leaf of a cursor if it has grown too large.
    fn balance(
        &mut self,
        mut at: Cursor,
        width_of: impl Fn(Piece) -> Width,
    ) -> (Cursor, Option<Moved>) {
        let fresh = number(self.leaves.len());
        let leaf = &mut self.leaves[at.leaf as usize];
        let count = leaf.pieces.len();
        if count <= LEAF_MAX {
            return (at, None);
        }
        let typed_at_end = leaf.after == NIL && at.index + 2 >= count;
        let keep = if typed_at_end { count - 2 } else { count / 2 };
        let mut pieces = Vec::with_capacity(LEAF_MAX + 2);
        pieces.extend(leaf.pieces.drain(keep..));
        let (parent, after) = (leaf.parent, leaf.after);
        leaf.after = fresh;
        let visible = pieces.iter().filter(|piece| piece.visible());
        let width = visible.fold(Width::default(), |sum, piece| sum + width_of(*piece));
        self.leaves.push(Leaf { pieces, parent, before: at.leaf, after });
        if after == NIL {
            self.last = fresh;
        } else {
            self.leaves[after as usize].before = fresh;
        }
        self.adopt(at.leaf, fresh, width, 0);
        if at.index >= keep {
            at = Cursor { leaf: fresh, index: at.index - keep, offset: at.offset };
        }
        (at, Some(Moved { to: fresh }))
    }

    /// Makes `fresh` the sibling right after `node`, from which it took `width`.
    fn adopt(&mut self, node: u32, fresh: u32, width: Width, height: u32) {
        self.way_from = NIL;
        let parent = *self.parent_at(height, node);
        if parent == NIL {
            let root = number(self.inners.len());
            let widths = vec![self.total - width, width];
            self.inners.push(Inner { children: vec![node, fresh], widths, parent: NIL });
            *self.parent_at(height, node) = root;
            *self.parent_at(height, fresh) = root;
            (self.root, self.height) = (root, height + 1);
            return;
        }
        let above = number(self.inners.len());
        let inner = &mut self.inners[parent as usize];
        let slot = position(&inner.children, node);
        inner.widths[slot] -= width;
        inner.children.insert(slot + 1, fresh);
        inner.widths.insert(slot + 1, width);
        *self.parent_at(height, fresh) = parent;
        let inner = &mut self.inners[parent as usize];
        let count = inner.children.len();
        if count <= INNER_MAX {
            return;
        }
        let keep = if slot + 2 == count { count - 2 } else { count / 2 };
        let children = inner.children.split_off(keep);
        let widths = inner.widths.split_off(keep);
        let width = widths.iter().fold(Width::default(), |sum, width| sum + *width);
        let grandparent = inner.parent;
        for child in &children {
            *self.parent_at(height, *child) = above;
        }
        self.inners.push(Inner { children, widths, parent: grandparent });
        self.adopt(parent, above, width, height + 1);
    }
}

fn position(children: &[u32], node: u32) -> usize {
    children.iter().position(|child| *child == node).expect("a node is a child of its parent")
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("a node holds pieces, and there are fewer than 2^31 of these")
}
