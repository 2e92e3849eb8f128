//! Auctions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::algebra::{Lex, Max, Own, Pair};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Bids for one item. The first to open it is the seller; each bidder raises its own bid. The seller closes by naming the
    /// bid that wins, of those it has seen: later and unseen ones do not count.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Auction};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let (ann, bob, cid) = (at(1), at(2), at(3));
    /// let mut sale = Causal::<Auction<String>>::default();
    /// sale.edit(&ann, |sale, change| sale.open(change, "lamp".to_owned()));
    /// sale.try_edit(&bob, |sale, change| sale.bid(change, 5)).unwrap();
    /// sale.try_edit(&cid, |sale, change| sale.bid(change, 7)).unwrap();
    /// sale.try_edit(&ann, Auction::close).unwrap();
    /// assert_eq!(sale.winner(), Some((cid.log, 7)));
    /// assert!(sale.try_edit(&bob, |sale, change| sale.bid(change, 9)).is_err());
    /// ```
    pub struct Auction<T: Datum>(Pair<Lex<Reverse<Stamp>, Max<Plain<T>>>, Own<Part>>);
}
leaf!(Auction<T: Datum>);

/// Of an author: its bid, and, if it sells, to whom for how much.
type Part = (u64, BTreeMap<LogId, u64>);

impl<T: Datum> Auction<T> {
    /// What is for sale. O(1).
    #[must_use]
    pub fn item(&self) -> Option<&T> {
        self.0.0.0.as_ref()?.1.0.as_ref().map(|item| &item.0)
    }

    /// Who sells it. O(1).
    #[must_use]
    pub fn seller(&self) -> Option<LogId> {
        self.0.0.0.as_ref().map(|(stamp, _)| stamp.0.log)
    }

    /// The highest bid; of equals that of the smaller log. O(logs).
    #[must_use]
    pub fn highest(&self) -> Option<(LogId, u64)> {
        let bids = self.0.1.iter().map(|(log, (bid, _))| (log, *bid));
        bids.filter(|(_, bid)| *bid > 0).max_by_key(|(log, bid)| (*bid, Reverse(*log)))
    }

    /// Who got it for how much, once the seller has closed. O(log logs).
    #[must_use]
    pub fn winner(&self) -> Option<(LogId, u64)> {
        let (_, sold) = self.0.1.get(self.seller()?)?;
        sold.first_key_value().map(|(log, bid)| (*log, *bid))
    }

    /// Offers the item; returns the delta, bottom if there is one.
    #[must_use]
    pub fn open(&self, change: &mut Change, item: T) -> Self {
        if self.item().is_some() {
            return Self::default();
        }
        let item = Lex(Some((Reverse(change.stamp()), Max(Some(Plain(item))))));
        Self(Pair(item, Own::default()))
    }

    /// Raises the own bid; returns the delta, bottom if it is not higher.
    ///
    /// # Errors
    /// If the auction is not open, or closed.
    pub fn bid(&self, change: &mut Change, amount: u64) -> Result<Self, EditError> {
        if self.item().is_none() {
            return Err(EditError::refused("nothing is for sale yet"));
        }
        if self.winner().is_some() {
            return Err(EditError::refused("the auction is closed"));
        }
        if self.0.1.get(change.log()).is_some_and(|(bid, _)| *bid >= amount) || amount == 0 {
            return Ok(Self::default());
        }
        Ok(Self(Pair(Lex::default(), self.0.1.contribute(change, |(bid, _)| *bid = amount))))
    }

    /// Closes the auction: the highest bid that the seller has seen wins. Returns the delta.
    ///
    /// # Errors
    /// If the writer is not the seller, the auction is closed, or there is no bid.
    pub fn close(&self, change: &mut Change) -> Result<Self, EditError> {
        if self.seller() != Some(change.log()) {
            return Err(EditError::refused("only the seller closes an auction"));
        }
        if self.winner().is_some() {
            return Err(EditError::refused("the auction is closed"));
        }
        let (log, bid) = self.highest().ok_or(EditError::refused("nobody has bid yet"))?;
        let close = self.0.1.contribute(change, |(_, sold)| {
            sold.insert(log, bid);
        });
        Ok(Self(Pair(Lex::default(), close)))
    }
}

impl<T: Datum> Crdt for Auction<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let shown = |bid: Option<(LogId, u64)>| match bid {
            Some((log, bid)) => Value::list([Value::Text(log.to_string()), Value::count(bid)]),
            None => Value::Null,
        };
        Value::map([
            ("item".into(), self.item().map_or(Value::Null, Datum::to_value)),
            ("highest".into(), shown(self.highest())),
            ("winner".into(), shown(self.winner())),
        ])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("open", [item]) => Ok(self.open(change, arg(item)?)),
            ("bid", [amount]) => self.bid(change, count_arg(amount)? as u64),
            ("close", []) => self.close(change),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Auction<T> {
    const ABOUT: About = About {
        kind: Kind::Auction,
        family: "apps",
        what: "bids for one item",
        rule: "each bidder's latest bid; the seller names the winner among bids it has seen",
        algebra: "Lex(Reverse<Stamp>, item) × Own<(bid, sold to)>",
        cost: "O(logs)",
        source: "Nair, Petri, Shapiro 2020",
        operations: &[
            op("open", &[Arg::Value], "offers an item"),
            op("bid", &[Arg::Count], "raises the own bid"),
            op("close", &[], "sells to the highest bid seen"),
        ],
    };
}
