//! The oracle: a FugueMax tree of single characters (Weidner & Kleppmann, "The Art of the Fugue", 2023),
//! as plainly as it can be said. One tree for all replicas; each sees a part of it.

/// Whose character, and its number.
pub type Name = (u8, u64);

struct Node {
    name: Name,
    /// Left children by name; right children by right origin, the latest first, then by name.
    left: Vec<usize>,
    right: Vec<usize>,
    origin: Option<usize>,
    character: char,
}

#[derive(Default)]
pub struct Tree {
    nodes: Vec<Node>,
    roots: Vec<usize>,
    /// All characters in their order.
    order: Vec<usize>,
    /// What each deletion deletes.
    deletions: Vec<usize>,
}

/// What a replica has seen.
#[derive(Clone, Default)]
pub struct Seen {
    nodes: Vec<bool>,
    deletions: Vec<bool>,
}

fn has(marks: &[bool], index: usize) -> bool {
    marks.get(index).copied().unwrap_or(false)
}

fn mark(marks: &mut Vec<bool>, index: usize) {
    if marks.len() <= index {
        marks.resize(index + 1, false);
    }
    marks[index] = true;
}

impl Seen {
    pub fn join(&mut self, other: &Self) {
        (0..other.nodes.len()).filter(|n| other.nodes[*n]).for_each(|n| mark(&mut self.nodes, n));
        let deletions = (0..other.deletions.len()).filter(|n| other.deletions[*n]);
        deletions.for_each(|n| mark(&mut self.deletions, n));
    }
}

impl Tree {
    fn is_deleted(&self, seen: &Seen, node: usize) -> bool {
        (0..self.deletions.len()).any(|n| self.deletions[n] == node && has(&seen.deletions, n))
    }

    /// What a replica sees, deleted or not, in order.
    fn list(&self, seen: &Seen) -> Vec<usize> {
        self.order.iter().copied().filter(|node| has(&seen.nodes, *node)).collect()
    }

    fn visible(&self, seen: &Seen) -> Vec<usize> {
        self.list(seen).into_iter().filter(|node| !self.is_deleted(seen, *node)).collect()
    }

    pub fn text(&self, seen: &Seen) -> String {
        self.visible(seen).into_iter().map(|node| self.nodes[node].character).collect()
    }

    pub fn insert(&mut self, seen: &mut Seen, index: usize, name: Name, character: char) {
        let list = self.list(seen);
        let before = index.checked_sub(1).map(|index| self.visible(seen)[index]);
        let at = before.map_or(0, |before| list.iter().position(|n| *n == before).unwrap() + 1);
        let next = list.get(at).copied();
        let node = self.nodes.len();
        let siblings = match before {
            None => self.roots.clone(),
            Some(before) => self.nodes[before].right.clone(),
        };
        let taken = siblings.iter().any(|sibling| has(&seen.nodes, *sibling));
        let (left, right) = (Vec::new(), Vec::new());
        self.nodes.push(Node { name, left, right, origin: next.filter(|_| !taken), character });
        if taken {
            let parent = next.expect("something stands after what has a right child");
            let siblings = &self.nodes[parent].left;
            let place = siblings.iter().filter(|n| self.nodes[**n].name < name).count();
            self.nodes[parent].left.insert(place, node);
        } else {
            let rank = |origin: Option<usize>| {
                origin.map_or(usize::MAX, |o| self.order.iter().position(|n| *n == o).unwrap())
            };
            let mine = (std::cmp::Reverse(rank(next)), name);
            let goes_before = |n: &&usize| {
                let node = &self.nodes[**n];
                (std::cmp::Reverse(rank(node.origin)), node.name) < mine
            };
            let place = siblings.iter().filter(goes_before).count();
            match before {
                None => self.roots.insert(place, node),
                Some(before) => self.nodes[before].right.insert(place, node),
            }
        }
        self.order.clear();
        for root in self.roots.clone() {
            self.walk(root);
        }
        mark(&mut seen.nodes, node);
    }

    fn walk(&mut self, node: usize) {
        for child in self.nodes[node].left.clone() {
            self.walk(child);
        }
        self.order.push(node);
        for child in self.nodes[node].right.clone() {
            self.walk(child);
        }
    }

    pub fn delete(&mut self, seen: &mut Seen, index: usize) {
        let target = self.visible(seen)[index];
        mark(&mut seen.deletions, self.deletions.len());
        self.deletions.push(target);
    }
}
