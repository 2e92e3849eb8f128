//! The catalogue of data types, one file each, all made from the algebra.

pub mod apps;
pub mod counters;
pub mod flags;
pub mod graphs;
pub mod maps;
pub mod queues;
pub mod registers;
pub mod sequences;
pub mod sets;
pub mod sketches;
pub mod tables;
pub mod time;
pub mod trees;

/// A store of the catalogue: a name for a composition of the algebra.
macro_rules! store {
    ($(#[$meta:meta])* pub struct $name:ident $(<$($param:ident: $bound:path),+>)? ($inner:ty);) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$($param: $bound),+>)? ($inner);

        crate::types::wrapper!($name $(<$($param: $bound),+>)? ($inner));

        impl $(<$($param: $bound),+>)? $crate::DotStore for $name $(<$($param),+>)? {
            fn join_store(
                &mut self,
                seen: &$crate::CausalContext,
                other: Self,
                theirs: &$crate::CausalContext,
                turnover: &mut $crate::Turnover,
            ) -> bool {
                self.0.join_store(seen, other.0, theirs, turnover)
            }

            fn join_delta(
                &mut self,
                seen: &$crate::CausalContext,
                other: &Self,
                theirs: &$crate::CausalContext,
                turnover: &mut $crate::Turnover,
            ) -> bool {
                self.0.join_delta(seen, &other.0, theirs, turnover)
            }

            fn dots(&self, each: &mut dyn FnMut($crate::DotRange)) {
                self.0.dots(each);
            }

            fn store_since(&self, seen: &$crate::CausalContext) -> Self {
                Self(self.0.store_since(seen))
            }

            fn split_store(self) -> Vec<Self> {
                self.0.split_store().into_iter().map(Self).collect()
            }

            fn authored_by(&self, author: $crate::LogId) -> bool {
                self.0.authored_by(author)
            }

            fn is_bottom(&self) -> bool {
                self.0.is_bottom()
            }

            fn is_live(&self) -> bool {
                self.0.is_live()
            }
        }
    };
}

/// A lattice of the catalogue: the same for what holds no dots.
macro_rules! lattice {
    ($(#[$meta:meta])* pub struct $name:ident $(<$($param:ident: $bound:path),+>)? ($inner:ty);) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$($param: $bound),+>)? ($inner);

        crate::types::wrapper!($name $(<$($param: $bound),+>)? ($inner));

        impl $(<$($param: $bound),+>)? $crate::Lattice for $name $(<$($param),+>)? {
            fn join(&mut self, other: Self) -> bool {
                self.0.join(other.0)
            }

            fn since(&self, seen: &$crate::CausalContext) -> Self {
                Self(self.0.since(seen))
            }

            fn split(self) -> Vec<Self> {
                self.0.split().into_iter().map(Self).collect()
            }

            fn written_by(&self, author: $crate::LogId) -> bool {
                self.0.written_by(author)
            }
        }
    };
}

/// What stores and lattices of the catalogue share.
macro_rules! wrapper {
    ($name:ident $(<$($param:ident: $bound:path),+>)? ($inner:ty)) => {
        impl $(<$($param: $bound),+>)? Default for $name $(<$($param),+>)? {
            fn default() -> Self {
                Self(<$inner>::default())
            }
        }

        impl $(<$($param: $bound),+>)? $crate::Encode for $name $(<$($param),+>)? {
            fn encode(&self, out: &mut $crate::Encoder<'_>) {
                self.0.encode(out);
            }
        }

        impl $(<$($param: $bound),+>)? $crate::Decode for $name $(<$($param),+>)? {
            fn decode(from: &mut $crate::Decoder<'_>) -> Result<Self, $crate::DecodeError> {
                <$inner>::decode(from).map(Self)
            }
        }
    };
}

/// The shape of a type that contains no other: its kind.
macro_rules! leaf {
    ($name:ident $(<$($param:ident: $bound:path),+>)?) => {
        impl $(<$($param: $bound),+>)? $crate::Described for $name $(<$($param),+>)? {
            fn shape() -> $crate::Shape {
                $crate::Shape::new(<Self as $crate::Catalogued>::ABOUT.kind)
            }
        }
    };
}

pub(crate) use {lattice, leaf, store, wrapper};
