//! Boards.

use std::collections::BTreeSet;

use crate::algebra::DotMap;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::LwwRegister;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Cards in lanes: each card is in exactly one lane, at a rank; the latest move wins. A change of a card wins over its concurrent removal.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Kanban};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut board = Causal::<Kanban<String>>::default();
    /// let (todo, done, card) = ("todo".to_owned(), "done".to_owned(), "paint".to_owned());
    /// board.edit(&at(1), |board, change| board.put_lane(change, todo.clone(), 1));
    /// board.edit(&at(1), |board, change| board.put_card(change, card.clone(), todo, 1));
    /// board.edit(&at(1), |board, change| board.put_card(change, card.clone(), done.clone(), 1));
    /// assert_eq!(board.cards(&done), [&card]);
    /// ```
    pub struct Kanban<K: Datum>((DotMap<Plain<K>, LwwRegister<i64>>, DotMap<Plain<K>, Card<K>>));
}
leaf!(Kanban<K: Datum>);

/// Where a card is, and its title.
type Card<K> = (LwwRegister<(K, i64)>, LwwRegister<Value>);

impl<K: Datum> Kanban<K> {
    /// The lanes that were put up, by rank. O(n log n).
    #[must_use]
    pub fn lanes(&self) -> Vec<&K> {
        let mut lanes: Vec<_> = self.0.0.iter().map(|(lane, rank)| (rank.get(), &lane.0)).collect();
        lanes.sort();
        lanes.into_iter().map(|(_, lane)| lane).collect()
    }

    /// The lane and rank of a card. O(log n).
    #[must_use]
    pub fn place(&self, card: &K) -> Option<&(K, i64)> {
        self.0.1.get(card)?.0.get()
    }

    /// The title of a card. O(log n).
    #[must_use]
    pub fn title(&self, card: &K) -> Option<&Value> {
        self.0.1.get(card)?.1.get()
    }

    /// The cards of a lane by rank. O(n log n).
    #[must_use]
    pub fn cards(&self, lane: &K) -> Vec<&K> {
        let placed = self.0.1.iter().filter_map(|(card, (place, _))| Some((place.get()?, &card.0)));
        let mut cards: Vec<_> = placed
            .filter(|((here, _), _)| here == lane)
            .map(|((_, rank), card)| (*rank, card))
            .collect();
        cards.sort();
        cards.into_iter().map(|(_, card)| card).collect()
    }

    /// Puts a lane up, or moves it to another rank; returns the delta.
    #[must_use]
    pub fn put_lane(&self, change: &mut Change, lane: K, rank: i64) -> Self {
        let vacant = LwwRegister::default();
        let rank = self.0.0.get(&lane).unwrap_or(&vacant).set(change, rank);
        Self((DotMap::of(Plain(lane), rank), DotMap::default()))
    }

    /// Takes a lane down as far as has been seen; cards in it keep saying where they are. Returns the delta.
    #[must_use]
    pub fn remove_lane(&self, change: &mut Change, lane: &K) -> Self {
        if let Some(rank) = self.0.0.get(lane) {
            change.forget_all(rank);
        }
        Self::default()
    }

    /// Puts a card into a lane at a rank, wherever it was; returns the delta.
    #[must_use]
    pub fn put_card(&self, change: &mut Change, card: K, lane: K, rank: i64) -> Self {
        let vacant = Card::default();
        let (place, _) = self.0.1.get(&card).unwrap_or(&vacant);
        let place = place.set(change, (lane, rank));
        Self((DotMap::default(), DotMap::of(Plain(card), (place, LwwRegister::default()))))
    }

    /// Names a card; returns the delta.
    #[must_use]
    pub fn name_card(&self, change: &mut Change, card: K, title: Value) -> Self {
        let vacant = Card::default();
        let (_, name) = self.0.1.get(&card).unwrap_or(&vacant);
        let name = name.set(change, title);
        Self((DotMap::default(), DotMap::of(Plain(card), (LwwRegister::default(), name))))
    }

    /// Removes a card with all that has been seen of it; returns the delta.
    #[must_use]
    pub fn remove_card(&self, change: &mut Change, card: &K) -> Self {
        if let Some(card) = self.0.1.get(card) {
            change.forget_all(card);
        }
        Self::default()
    }
}

impl<K: Datum> Crdt for Kanban<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let card = |card: &K| {
            let title = self.title(card).cloned().unwrap_or_default();
            Value::list([card.to_value(), title])
        };
        let used = self.0.1.iter().filter_map(|(_, (place, _))| Some(&place.get()?.0));
        let mut lanes: BTreeSet<&K> = used.collect();
        lanes.extend(self.lanes());
        let lane = |lane: &K| Value::list(self.cards(lane).into_iter().map(card));
        Value::map(lanes.into_iter().map(|name| (name.to_value(), lane(name))))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("put-lane", [lane, rank]) => Ok(self.put_lane(change, arg(lane)?, arg(rank)?)),
            ("remove-lane", [lane]) => Ok(self.remove_lane(change, &arg(lane)?)),
            ("put-card", [card, lane, rank]) => {
                Ok(self.put_card(change, arg(card)?, arg(lane)?, arg(rank)?))
            }
            ("name-card", [card, title]) => Ok(self.name_card(change, arg(card)?, title.clone())),
            ("remove-card", [card]) => Ok(self.remove_card(change, &arg(card)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for Kanban<K> {
    const ABOUT: About = About {
        kind: Kind::Kanban,
        family: "apps",
        what: "cards, each in one lane",
        rule: "the latest move of a card wins; a change wins over concurrent removal",
        algebra: "Causal<DotMap<lane, LWW> × DotMap<card, LWW × LWW>>",
        cost: "O(log n) to change, O(n log n) to show",
        source: "Kleppmann 2020 (moves as registers)",
        operations: &[
            op("put-lane", &[Arg::Key, Arg::Int], "puts a lane up at a rank"),
            op("remove-lane", &[Arg::Key], "takes a lane down"),
            op("put-card", &[Arg::Key, Arg::Key, Arg::Int], "puts a card into a lane at a rank"),
            op("name-card", &[Arg::Key, Arg::Value], "names a card"),
            op("remove-card", &[Arg::Key], "removes a card"),
        ],
    };
}
