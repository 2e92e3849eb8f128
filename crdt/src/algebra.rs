//! The algebra that all data types are made of: one short file for each part.
//!
//! | primitive lattices | |
//! |---|---|
//! | [`Max`], [`Min`] | the largest, the smallest value |
//! | [`Or`] | a bit that is set once |
//! | `BTreeSet` | union |
//! | [`Ranges`], [`CausalContext`](crate::CausalContext) | union of intervals |
//! | [`UnionFind`] | classes that grow together |
//! | [`Point`] | agreement or conflict |
//! | `()` | nothing to say |
//!
//! | combinators | |
//! |---|---|
//! | [`Pair`], `(A, B)` | side by side |
//! | [`Lex`] | the greater rank wins |
//! | `BTreeMap`, [`SmallMap`] | key by key |
//! | [`WithBottom`], [`WithTop`] | a new least, a new greatest value |
//! | [`Anti`] | maximal elements of a partial order |
//! | [`Own`] | any commutative monoid, by author |
//! | [`DotSet`], [`DotFun`], [`DotMap`] in [`Causal`](crate::Causal) | parts that can be taken away |
//! | [`Fold`] | operations replayed in one order |
//! | views | queries over any of these; plain functions, never stored |

mod anti;
mod dot_fun;
mod dot_map;
mod dot_set;
mod entry;
mod fold;
mod lex;
mod map;
mod max;
mod min;
mod or;
mod own;
mod pair;
mod point;
mod ranges;
mod sequence;
mod set;
mod small_map;
mod sum;
mod union_find;
mod unit;

pub use anti::{Anti, Partial};
pub use dot_fun::DotFun;
pub use dot_map::DotMap;
pub use dot_set::DotSet;
pub use entry::Entry;
pub use fold::{Fold, Machine};
pub use lex::{Lex, Rank};
pub use max::Max;
pub use min::Min;
pub use or::Or;
pub use own::{Monoid, Own};
pub use pair::Pair;
pub use point::Point;
pub use ranges::Ranges;
pub use sequence::{Chars, Elements, Patch, Sequence, Side, Unit, Width};
pub(crate) use sequence::{Cursor, Deletion, Gone, Id, Run, Watch, Weave};
pub use small_map::SmallMap;
pub use sum::{WithBottom, WithTop};
pub use union_find::UnionFind;

/// The canonical form of a tuple struct: its fields one after another.
macro_rules! codec_fields {
    ($type:ident $(<$($param:ident),+>)? ($($field:tt),+)) => {
        impl $(<$($param: $crate::Encode),+>)? $crate::Encode for $type $(<$($param),+>)? {
            fn encode(&self, out: &mut $crate::Encoder<'_>) {
                $(self.$field.encode(out);)+
            }
        }
        impl $(<$($param: $crate::Decode),+>)? $crate::Decode for $type $(<$($param),+>)? {
            fn decode(from: &mut $crate::Decoder<'_>) -> Result<Self, $crate::DecodeError> {
                Ok(Self($({ let _ = $field; $crate::Decode::decode(from)? }),+))
            }
        }
    };
}
pub(crate) use codec_fields;
