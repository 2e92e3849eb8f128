//! A store of any type of the catalogue: what those work with who know a type by its [`Shape`] only.
//!
//! The table below is the catalogue: the number that stands for a type in bytes, its name on the command
//! line, and the type itself with plain values where users' types would stand, and nodes where parts would.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Call, Catalogued, Claim, Crdt, EditError, Explanation};
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
    20 Counter "counter" false PnCounter;
    40 Set "set" false AwSet<Value>;
    60 Map "map" true AwMap<Value, Node>;
    61 LwwMap "lww-map" false LwwMap<Value, Value>;
    62 Record "record" false Record;
    80 Text "text" false Text;
    81 List "list" false List<Value>;
}

impl Kind {
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
