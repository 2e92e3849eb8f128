//! A store of any type of the catalogue: what those work with who know a type by its [`Shape`] only.
//!
//! The table below is the catalogue: the number that stands for a type in bytes, its name on the command
//! line, and the type itself with plain values where users' types would stand, and nodes where parts would.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Call, Catalogued, Claim, Crdt, EditError, Explanation, count_arg};
use crate::dot::{DotRange, LogId};
use crate::shape::Shape;
use crate::store::{Change, DotStore, Turnover};
#[allow(unused_imports)]
use crate::types::{
    apps::*, counters::*, flags::*, graphs::*, maps::*, queues::*, registers::*, sequences::*,
    sets::*, sketches::*, tables::*, time::*, trees::*,
};
use crate::value::Value;

macro_rules! catalogue {
    ($($code:literal $kind:ident $name:literal $container:literal $store:ty;)*) => {
        /// A type of the catalogue.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: [`", stringify!($store), "`].")] $kind,)*
        }

        impl Kind {
            /// Every type.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$kind),*];

            /// The number that stands for the type wherever bytes are kept.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $(Self::$kind => $code,)* }
            }

            /// The name of the type on the command line and in JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Whether the type contains parts of some other type.
            #[must_use]
            pub fn is_container(self) -> bool {
                match self { $(Self::$kind => $container,)* }
            }

            /// What there is to know about the type.
            #[must_use]
            pub fn about(self) -> &'static About {
                match self { $(Self::$kind => &<$store>::ABOUT,)* }
            }
        }

        /// A store of any type.
        #[derive(Clone, Debug, Default)]
        #[non_exhaustive]
        pub enum Node {
            /// A store nobody has said anything about, of whatever type.
            #[default]
            Bottom,
            $(#[doc = concat!("`", $name, "`.")] $kind(Box<$store>),)*
        }

        impl Node {
            /// A store of a kind.
            #[must_use]
            pub fn new(kind: Kind) -> Self {
                match kind { $(Kind::$kind => Self::$kind(Box::default()),)* }
            }

            /// What kind it is, if it is known.
            #[must_use]
            pub fn kind(&self) -> Option<Kind> {
                match self {
                    Self::Bottom => None,
                    $(Self::$kind(_) => Some(Kind::$kind),)*
                }
            }
        }

        /// Does the same with whatever store it is.
        macro_rules! each {
            ($node:expr, $inner:ident => $does:expr, bottom => $bottom:expr) => {
                match $node {
                    Node::Bottom => $bottom,
                    $(Node::$kind($inner) => $does,)*
                }
            };
        }

        /// Does the same with two stores of one kind.
        macro_rules! both {
            ($node:expr, $other:expr, ($one:ident, $two:ident) => $does:expr, else $else:expr) => {
                match ($node, $other) {
                    $((Node::$kind($one), Node::$kind($two)) => $does,)*
                    _ => $else,
                }
            };
        }

        fn decode(kind: Kind, from: &mut Decoder<'_>) -> Result<Node, DecodeError> {
            match kind { $(Kind::$kind => Decode::decode(from).map(|it| Node::$kind(Box::new(it))),)* }
        }

        $(impl From<$store> for Node {
            fn from(store: $store) -> Self {
                Self::$kind(Box::new(store))
            }
        })*
    };
}

catalogue! {
    1 Register "register" false LwwRegister<Value>;
    2 FwwRegister "fww-register" false FwwRegister<Value>;
    3 MvRegister "mv-register" false MvRegister<Value>;
    4 MaxRegister "max-register" false MaxRegister<Value>;
    5 MinRegister "min-register" false MinRegister<Value>;
    6 RankedRegister "ranked-register" false RankedRegister<Value>;
    7 AgreedRegister "agreed-register" false AgreedRegister<Value>;
    8 BestRegister "best-register" false BestRegister<Value>;
    10 Flag "flag" false EnableFlag;
    11 DisableFlag "disable-wins-flag" false DisableFlag;
    12 OnceFlag "once-flag" false OnceFlag;
    20 Counter "counter" false PnCounter;
    21 GCounter "g-counter" false GCounter;
    22 ResettableCounter "resettable-counter" false ResettableCounter;
    23 BoundedCounter "bounded-counter" false BoundedCounter;
    24 RangedCounter "ranged-counter" false RangedCounter;
    25 Average "average" false Average;
    26 Moments "moments" false Moments;
    27 VectorCounter "vector-counter" false VectorCounter<Value>;
    28 LexCounter "lex-counter" false LexCounter;
    29 MulCounter "mul-counter" false MulCounter;
    40 Set "set" false AwSet<Value>;
    41 GSet "g-set" false GSet<Value>;
    42 TwoPhaseSet "two-phase-set" false TwoPhaseSet<Value>;
    43 UniqueSet "unique-set" false UniqueSet<Value>;
    44 LwwSet "lww-set" false LwwSet<Value>;
    45 PnSet "pn-set" false PnSet<Value>;
    46 RwSet "rw-set" false RwSet<Value>;
    47 Bag "bag" false Bag<Value>;
    48 TopK "top-k" false TopK<Value>;
    49 ExpiringSet "expiring-set" false ExpiringSet<Value>;
    50 IntervalSet "interval-set" false IntervalSet;
    60 Map "map" true AwMap<Value, Node>;
    61 LwwMap "lww-map" false LwwMap<Value, Value>;
    62 Record "record" false Record;
    63 GMap "g-map" true GMap<Value, Node>;
    64 RwMap "rw-map" true RwMap<Value, Node>;
    65 MultiMap "multi-map" false MultiMap<Value, Value>;
    80 Text "text" false Text;
    81 List "list" false List<Value>;
    82 MovableList "movable-list" true MovableList<Node>;
    83 Rga "rga" false Rga<Value>;
    84 Lseq "lseq" false Lseq<Value>;
    85 Treedoc "treedoc" false Treedoc<Value>;
    86 Log "log" false Log<Value>;
    87 RichText "rich-text" false RichText;
    100 Tree "tree" false MoveTree<Value>;
    101 OrphanTree "orphan-tree" false OrphanTree<Value>;
    102 FileSystem "file-system" false FileSystem;
    110 Graph "graph" false Graph<Value>;
    111 Dag "dag" false Dag<Value>;
    112 TwoPhaseGraph "two-phase-graph" false TwoPhaseGraph<Value>;
    113 PartialOrder "partial-order" false PartialOrder<Value>;
    114 Classes "classes" false Classes<Value>;
    115 Triples "triples" false Triples<Value>;
    120 Table "table" true Table<Value, Node>;
    121 Relations "relations" false Relations;
    122 Sheet "sheet" false Sheet;
    123 Matrix "matrix" false Matrix;
    130 Queue "queue" false Queue<Value>;
    131 PriorityQueue "priority-queue" false PriorityQueue<Value>;
    135 Series "series" false Series<Value>;
    136 Windows "windows" false Windows;
    140 HyperLogLog "hyperloglog" false HyperLogLog;
    141 BloomFilter "bloom-filter" false BloomFilter;
    142 CountMin "count-min" false CountMin;
    143 Quantiles "quantiles" false Quantiles;
    144 Theta "theta" false Theta;
    145 Histogram "histogram" false Histogram;
    146 HeavyHitters "heavy-hitters" false HeavyHitters<Value>;
    147 Sample "sample" false Sample<Value>;
    150 Presence "presence" false Presence<Value>;
    151 Poll "poll" false Poll<Value>;
    152 Ledger "ledger" false Ledger;
    153 Kanban "kanban" false Kanban<Value>;
    154 Comments "comments" false Comments<Value>;
    155 Auction "auction" false Auction<Value>;
    156 Seats "seats" false Seats<Value>;
    157 Cart "cart" false Cart<Value>;
    158 Clock "clock" false Clock;
    159 Frontier "frontier" false Frontier;
}

impl Node {
    /// The part at a place inside; `None` if there is none, or if it is no node of its own.
    #[must_use]
    pub fn at(&self, path: &[Value]) -> Option<&Self> {
        let mut here = self;
        let mut rest = path;
        while let Some((step, below)) = rest.split_first() {
            rest = below;
            here = match here {
                Self::Map(map) => map.get(step)?,
                Self::GMap(map) => map.get(step)?,
                Self::RwMap(map) => map.get(step)?,
                Self::Record(record) => record.get(&step.clone().into_key())?,
                Self::MovableList(list) => list.get(count_arg(step).ok()?)?,
                Self::Table(table) => {
                    let (column, below) = rest.split_first()?;
                    rest = below;
                    table.cell(step, &column.clone().into_key())?
                }
                _ => return None,
            };
        }
        Some(here)
    }
}

impl Kind {
    /// Whether its `set` takes what it says.
    pub(crate) fn is_set_to_a_value(self) -> bool {
        matches!(
            self,
            Self::Counter
                | Self::ResettableCounter
                | Self::Flag
                | Self::DisableFlag
                | Self::Set
                | Self::LwwMap
        )
    }

    /// Whether it holds parts by key.
    pub(crate) fn is_map(self) -> bool {
        matches!(self, Self::Map | Self::GMap | Self::RwMap | Self::Record)
    }

    /// The type a number stands for.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The type of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.name().to_owned()
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| format!("'{name}' is no type of object"))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        both!(self, other, (one, two) => one == two, else self.is_bottom() && other.is_bottom())
    }
}

impl DotStore for Node {
    fn bottom(shape: Option<Shape>) -> Self {
        shape.map_or(Self::Bottom, |shape| Self::new(shape.kind()))
    }

    /// Stores of two kinds never meet: a shape, or a field's own, decides what is read at a place.
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let other = match (self.kind(), other.kind()) {
            (None, None) => return false,
            (None, Some(kind)) => {
                *self = Self::new(kind);
                other
            }
            (Some(kind), None) => Self::new(kind),
            (Some(_), Some(_)) => other,
        };
        both!(
            self, other,
            (one, two) => one.join_store(seen, *two, theirs, turnover),
            else false
        )
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        each!(self, store => store.dots(each), bottom => ());
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        each!(self, store => store.store_since(seen).into(), bottom => Self::Bottom)
    }

    fn split_store(self) -> Vec<Self> {
        each!(
            self,
            store => store.split_store().into_iter().map(Into::into).collect(),
            bottom => Vec::new()
        )
    }

    fn authored_by(&self, author: LogId) -> bool {
        each!(self, store => store.authored_by(author), bottom => true)
    }

    fn is_bottom(&self) -> bool {
        each!(self, store => store.is_bottom(), bottom => true)
    }

    fn is_live(&self) -> bool {
        each!(self, store => store.is_live(), bottom => false)
    }
}

impl Encode for Node {
    /// As the type itself is encoded; what kind it is, the shape says.
    fn encode(&self, out: &mut Encoder<'_>) {
        each!(self, store => store.encode(out), bottom => ());
    }
}

impl Decode for Node {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let shape = from.shape().ok_or(DecodeError::Invalid)?;
        let part = shape.part().cloned();
        from.level(|from| from.within(part, |from| decode(shape.kind(), from)))
    }
}

impl Crdt for Node {
    fn about(&self) -> &'static About {
        self.kind().unwrap_or(Kind::Register).about()
    }

    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        match (self.kind(), delta.kind()) {
            (None, Some(kind)) => Self::new(kind).touched(change, delta),
            (_, None) => delta,
            _ => both!(
                self, delta,
                (here, delta) => here.touched(change, *delta).into(),
                else Self::Bottom
            ),
        }
    }

    fn value(&self) -> Value {
        each!(self, store => store.value(), bottom => Value::Null)
    }

    fn claims(&self) -> Vec<Claim> {
        each!(self, store => store.claims(), bottom => Vec::new())
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        each!(self, store => store.value_at(path), bottom => None)
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        each!(self, store => store.explain(path), bottom => None)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        let Some(shape) = change.shape() else { return Err(EditError::TooDeep) };
        if self.kind().is_none() {
            return Self::new(shape.kind()).call(change, path, call);
        }
        let inside = if shape.kind() == Kind::Record { Some(shape) } else { shape.part().cloned() };
        change.within(inside, |change| {
            each!(self, store => store.call(change, path, call).map(Into::into), bottom => Ok(Self::Bottom))
        })
    }
}
