//! Structs of stores: what `#[derive(Crdt)]` makes of a struct.
//!
//! A struct is a product of stores under one context, and byte for byte the [`Record`] of its fields: whoever
//! lacks the type reads a record, and whoever has it reads what others wrote as one. What a record says and
//! the struct has no place for goes into the field marked `rest`: fields of other names or shapes, and who put
//! the known ones there. Without such a field bytes that say more are refused, except where a type only looks
//! at an object ([`crate::Object::store`]). The macro writes [`Product`] and the field-wise [`DotStore`]; the
//! functions below do the rest.

use std::collections::BTreeMap;

use crate::algebra::{DotSet, Entry};
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder, from_bytes, to_bytes};
use crate::crdt::{About, Call, Catalogued, Claim, Crdt, Described, EditError, Explanation, arg};
use crate::dot::{Dot, DotRange};
use crate::node::{Kind, Node};
use crate::shape::Shape;
use crate::store::{Change, DotStore, Turnover};
use crate::types::maps::{Field, Record};
use crate::value::Value;

/// A struct of stores. `#[derive(Crdt)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct with `#[derive(Crdt)]`",
    label = "not such a struct"
)]
pub trait Product: Described {
    /// The names of its fields, ascending.
    const FIELDS: &'static [&'static str];

    /// The part of a field.
    fn part(&self, name: &str) -> Option<&dyn Part>;

    /// Changes the part of a field; returns the delta.
    ///
    /// # Errors
    /// What the part says, or [`EditError::NoSuchPlace`].
    fn change_part(
        &self,
        name: &str,
        change: &mut Change,
        path: &[Value],
        call: &Call,
    ) -> Result<Self, EditError>;

    /// Reads the part of a field.
    ///
    /// # Errors
    /// What the part says, or [`DecodeError::Invalid`] if there is no such field.
    fn read_part(&mut self, name: &str, from: &mut Decoder<'_>) -> Result<(), DecodeError>;

    /// What a field is declared to show while nothing is written to it.
    fn unwritten(name: &str) -> Option<Value>;

    /// The fields it does not know, and who put the known ones there, if it keeps them.
    fn rest(&self) -> Option<&Record>;

    /// The same, to be changed.
    fn rest_mut(&mut self) -> Option<&mut Record>;
}

/// A part of a struct, whatever its type.
pub trait Part {
    /// Its shape, without declarations.
    fn bare_shape(&self) -> Shape;
    /// What it says.
    fn value(&self) -> Value;
    /// What it says at a place inside.
    fn value_at(&self, path: &[Value]) -> Option<Value>;
    /// Why it says what it says at a place inside.
    fn explain(&self, path: &[Value]) -> Option<Explanation>;
    /// Whether nothing is known in it.
    fn is_bottom(&self) -> bool;
    /// Names every dot it holds.
    fn dots(&self, each: &mut dyn FnMut(DotRange));
    /// Appends its bytes.
    fn encode(&self, out: &mut Encoder<'_>);
}

impl<S: Described> Part for S {
    fn bare_shape(&self) -> Shape {
        S::shape().bare()
    }

    fn value(&self) -> Value {
        Crdt::value(self)
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        Crdt::value_at(self, path)
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        Crdt::explain(self, path)
    }

    fn is_bottom(&self) -> bool {
        DotStore::is_bottom(self)
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        DotStore::dots(self, each);
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        Encode::encode(self, out);
    }
}

/// A local value beside the stores of a struct, in a field marked `skip`: never sent, never joined, and equal
/// to every other, so that replicas which differ in nothing else are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local<T>(pub T);

impl<T> PartialEq for Local<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Local<T> {}

/// How a field is declared to settle conflicts; checked against its type when that is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `lww`: the latest write wins.
    Lww,
    /// `mv`: concurrent writes stay side by side.
    Mv,
    /// `counter`: any counter.
    Counter,
    /// `flag`: any flag.
    Flag,
    /// `set`: any set.
    Set,
    /// `map`: any map of keys.
    Map,
    /// `list`: the list.
    List,
    /// `text`: the text.
    Text,
    /// `rich_text`: the text with marks.
    RichText,
}

impl Strategy {
    /// Whether a type is of this strategy.
    #[must_use]
    pub const fn suits(self, about: &About) -> bool {
        match self {
            Self::Lww => matches!(about.kind, Kind::Register),
            Self::Mv => matches!(about.kind, Kind::MvRegister),
            Self::Counter => same(about.family.as_bytes(), b"counters"),
            Self::Flag => same(about.family.as_bytes(), b"flags"),
            Self::Set => same(about.family.as_bytes(), b"sets"),
            Self::Map => {
                same(about.family.as_bytes(), b"maps") && !matches!(about.kind, Kind::Record)
            }
            Self::List => matches!(about.kind, Kind::List),
            Self::Text => matches!(about.kind, Kind::Text),
            Self::RichText => matches!(about.kind, Kind::RichText),
        }
    }
}

/// Equality in constants.
const fn same(mut one: &[u8], mut two: &[u8]) -> bool {
    while let ([a, rest @ ..], [b, others @ ..]) = (one, two) {
        if *a != *b {
            return false;
        }
        (one, two) = (rest, others);
    }
    one.is_empty() && two.is_empty()
}

/// A field in its canonical form.
enum Kept<'a> {
    /// One that the struct knows: who put it there, and what it says if that is kept elsewhere.
    Known(DotSet, Option<&'a dyn Part>),
    /// Any other.
    Other(Entry<Node>),
}

impl Encode for Kept<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Known(present, part) => {
                present.encode(out);
                let part = part.filter(|part| !part.is_bottom());
                part.is_some().encode(out);
                if let Some(part) = part {
                    part.encode(out);
                }
            }
            Self::Other(entry) => entry.encode(out),
        }
    }
}

/// The entries of a record. O(n).
fn entries(rest: &Record) -> BTreeMap<Field, Entry<Node>> {
    if DotStore::is_bottom(rest) {
        return BTreeMap::new();
    }
    from_bytes(&to_bytes(rest)).expect("a record is encoded as the map of its entries")
}

/// The record of some entries. O(n).
fn record(entries: &BTreeMap<Field, Kept<'_>>) -> Result<Record, DecodeError> {
    if entries.is_empty() { Ok(Record::default()) } else { from_bytes(&to_bytes(entries)) }
}

/// Encodes a struct as the record it is.
pub fn encode<P: Product>(product: &P, out: &mut Encoder<'_>) {
    if is_astray(product) {
        let mut product = product.clone();
        settle(&mut product);
        return encode(&product, out);
    }
    let rest = product.rest().map(entries).unwrap_or_default();
    let mut kept: BTreeMap<Field, Kept<'_>> =
        rest.into_iter().map(|(field, entry)| (field, Kept::Other(entry))).collect();
    for (name, part) in parts(product) {
        let field = Field { name: name.to_owned(), shape: part.bare_shape() };
        let present = match kept.get(&field) {
            Some(Kept::Other(entry)) => entry.present().clone(),
            _ => DotSet::default(),
        };
        if !part.is_bottom() || !present.is_empty() {
            kept.insert(field, Kept::Known(present, Some(part)));
        }
    }
    kept.encode(out);
}

/// Decodes a struct from the record it is.
///
/// # Errors
/// A [`DecodeError`]; [`DecodeError::Invalid`] too for what the struct has no place for, unless the decoder is
/// to leave that out.
pub fn decode<P: Product>(from: &mut Decoder<'_>) -> Result<P, DecodeError> {
    let mut product = P::default();
    let mut rest: BTreeMap<Field, Kept<'_>> = BTreeMap::new();
    let mut held = CausalContext::default();
    let mut last: Option<Field> = None;
    for _ in 0..from.count()? {
        let field = Field::decode(from)?;
        if last.as_ref().is_some_and(|last| *last >= field) {
            return Err(DecodeError::NotCanonical);
        }
        last = Some(field.clone());
        let mut apart = true;
        let mut hold = |range: DotRange| {
            apart &= held.overlap(range).next().is_none();
            held.insert_range(range);
        };
        let known = product.part(&field.name).is_some_and(|part| part.bare_shape() == field.shape);
        if known {
            let present = DotSet::decode(from)?;
            let says = bool::decode(from)?;
            if says {
                let inside = |from: &mut Decoder<'_>| {
                    from.within(None, |from| product.read_part(&field.name, from))
                };
                from.level(inside)?;
                match product.part(&field.name) {
                    Some(part) if !part.is_bottom() => part.dots(&mut hold),
                    _ if from.is_lenient() => {}
                    _ => return Err(DecodeError::NotCanonical),
                }
            } else if present.is_empty() {
                return Err(DecodeError::Invalid);
            }
            present.dots(&mut hold);
            if !present.is_empty() {
                rest.insert(field, Kept::Known(present, None));
            }
        } else {
            let entry = Entry::<Node>::decode(from)?;
            if entry.is_bottom() {
                return Err(DecodeError::Invalid);
            }
            entry.dots(&mut hold);
            rest.insert(field, Kept::Other(entry));
        }
        if !apart {
            return Err(DecodeError::Invalid);
        }
    }
    match product.rest_mut() {
        Some(place) => *place = record(&rest)?,
        None if rest.is_empty() || from.is_lenient() => {}
        None => return Err(DecodeError::Invalid),
    }
    Ok(product)
}

/// The fields with their parts, ascending.
fn parts<P: Product>(product: &P) -> impl Iterator<Item = (&'static str, &dyn Part)> {
    P::FIELDS.iter().filter_map(|name| Some((*name, product.part(name)?)))
}

/// The entry that `rest` has for a field the struct knows.
fn beside<'a, P: Product>(product: &'a P, name: &str) -> Option<&'a Entry<Node>> {
    let shape = product.part(name)?.bare_shape();
    let mut under = product.rest()?.under(name);
    under.find(|(field, _)| field.shape == shape).map(|(_, entry)| entry)
}

/// Whether `rest` says something that is for a part to say: only if it was written to under a known name.
fn is_astray<P: Product>(product: &P) -> bool {
    product.rest().is_some_and(|rest| !DotStore::is_bottom(rest))
        && P::FIELDS
            .iter()
            .any(|name| beside(product, name).is_some_and(|entry| !entry.content().is_bottom()))
}

/// Puts everything where it belongs, so that it can be joined; tells whether anything was not.
///
/// # Panics
/// If `rest` was written to under the name and shape of a part, with data that are not of its type.
pub fn settle<P: Product>(product: &mut P) -> bool {
    if !is_astray(product) {
        return false;
    }
    let whole = product.rest().map(entries).unwrap_or_default();
    let mut kept = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (field, entry) in whole {
        let part = product.part(&field.name);
        if part.is_none_or(|part| part.bare_shape() != field.shape) {
            kept.insert(field, Kept::Other(entry));
            continue;
        }
        if !entry.content().is_bottom() {
            found.insert(field.clone(), Kept::Other(Entry::of(entry.content().clone())));
        }
        if !entry.present().is_empty() {
            kept.insert(field, Kept::Known(entry.present().clone(), None));
        }
    }
    if let Some(rest) = product.rest_mut() {
        *rest = record(&kept).expect("some entries of a record are a record");
    }
    let found: P = from_bytes(&to_bytes(&found)).expect("a known field is not written as the rest");
    unite(product, found);
    true
}

/// Adds another part of the same delta.
fn unite<P: Product>(one: &mut P, two: P) {
    let nothing = CausalContext::default();
    one.join_store(&nothing, two, &nothing, &mut Turnover::default());
}

/// What a part shows.
fn shown<P: Product>(name: &str, part: &dyn Part) -> Value {
    let unwritten = if part.is_bottom() { P::unwritten(name) } else { None };
    unwritten.unwrap_or_else(|| part.value())
}

/// What a struct says: all its fields, and those of `rest`.
pub fn value<P: Product>(product: &P) -> Value {
    let rest = product.rest().into_iter().flat_map(Record::iter);
    let mut map: BTreeMap<String, Value> =
        rest.map(|(name, part)| (name.to_owned(), part.value())).collect();
    map.extend(parts(product).map(|(name, part)| (name.to_owned(), shown::<P>(name, part))));
    Value::Map(map)
}

/// What a struct says at a place inside.
pub fn value_at<P: Product>(product: &P, path: &[Value]) -> Option<Value> {
    let Some((step, inside)) = path.split_first() else { return Some(value(product)) };
    let name = step.clone().into_key();
    match product.part(&name) {
        None => Crdt::value_at(product.rest()?, path),
        Some(part) if part.is_bottom() && P::unwritten(&name).is_some() => {
            inside.iter().try_fold(shown::<P>(&name, part), |value, step| value.step(step).cloned())
        }
        Some(part) => part.value_at(inside),
    }
}

/// Why a struct says what it says at a place inside.
pub fn explain<P: Product>(product: &P, path: &[Value]) -> Option<Explanation> {
    let Some((step, inside)) = path.split_first() else {
        return Some(product.about().explain(value(product), claims(product)));
    };
    let name = step.clone().into_key();
    let Some(part) = product.part(&name) else { return Crdt::explain(product.rest()?, path) };
    let explanation = part.explain(inside)?;
    let value = if inside.is_empty() { shown::<P>(&name, part) } else { explanation.value };
    Some(Explanation { value, ..explanation })
}

/// The latest dot of a part.
fn latest(dots: impl FnOnce(&mut dyn FnMut(DotRange))) -> Option<(u64, Dot)> {
    let mut latest = None;
    dots(&mut |range| {
        let last = Dot { log: range.log, seq: range.end() - 1 };
        latest = latest.max(Some((last.seq, last)));
    });
    latest
}

/// The latest dot of a field, whether it is of its part or of who put it there.
fn last_dot<P: Product>(product: &P, name: &str, part: &dyn Part) -> Option<(u64, Dot)> {
    let put = beside(product, name).and_then(|entry| latest(|each| entry.dots(each)));
    put.max(latest(|each| part.dots(each)))
}

/// The fields that are there, by type; of two types under one name the struct's own stands.
pub fn claims<P: Product>(product: &P) -> Vec<Claim> {
    let claim = |name: &str, shape: &Shape, value, last: Option<(u64, Dot)>, stands| Claim {
        value: Value::map([(Value::Text(format!("{name}: {shape}")), value)]),
        by: last.map(|(_, dot)| dot.log),
        time: None,
        stands,
    };
    let mut claims = Vec::new();
    for (name, part) in parts(product).filter(|(_, part)| !part.is_bottom()) {
        let last = last_dot(product, name, part);
        claims.push(claim(name, &part.bare_shape(), part.value(), last, true));
    }
    let rest = product.rest().map(entries).unwrap_or_default();
    let of = |entry: &Entry<Node>| latest(|each| entry.dots(each));
    let strangers = rest.iter().filter(|(field, entry)| {
        let part = product.part(&field.name);
        entry.shows() && part.is_none_or(|part| part.bare_shape() != field.shape)
    });
    for (field, entry) in strangers {
        let later =
            rest.iter().any(|(other, theirs)| other.name == field.name && of(theirs) > of(entry));
        let stands = !later && product.part(&field.name).is_none();
        claims.push(claim(&field.name, &field.shape, entry.content().value(), of(entry), stands));
    }
    claims
}

/// Makes a change in words in a struct, as a [`Record`] would understand it; returns the delta.
///
/// # Errors
/// An [`EditError`].
pub fn call<P: Product>(
    product: &P,
    change: &mut Change,
    path: &[Value],
    call: &Call,
) -> Result<P, EditError> {
    change.within(None, |change| {
        if let Some((step, inside)) = path.split_first() {
            return at_field(product, change, &step.clone().into_key(), inside, call);
        }
        match call.parts() {
            ("put", [name, value]) => {
                let set = Call::new("set", [value.clone()]);
                at_field(product, change, &arg::<String>(name)?, &[], &set)
            }
            ("create", [name, shape]) => {
                let name: String = arg(name)?;
                let shape: String = arg(shape)?;
                let shape: Shape =
                    shape.parse().map_err(|_| EditError::WrongType { value: shape })?;
                if let Some(part) =
                    product.part(&name).filter(|part| part.bare_shape() != shape.bare())
                {
                    part.dots(&mut |range| change.forget_range(range));
                }
                in_rest(product, &name, |rest| Ok(rest.insert(change, &name, &shape)))
            }
            ("remove", [name]) => {
                let name: String = arg(name)?;
                if product.part(&name).is_none() && product.rest().is_none() {
                    return Err(EditError::NoSuchPlace { step: name });
                }
                forget(product, change, &name);
                Ok(P::default())
            }
            ("set", [Value::Map(map)]) => set(product, change, map),
            ("clear", []) => {
                change.forget_all(product);
                Ok(P::default())
            }
            _ => Err(call.unknown(&Record::ABOUT)),
        }
    })
}

/// Changes a field; puts it there if nobody has and that can be kept.
fn at_field<P: Product>(
    product: &P,
    change: &mut Change,
    name: &str,
    inside: &[Value],
    call: &Call,
) -> Result<P, EditError> {
    let Some(part) = product.part(name) else {
        let path: Vec<Value> = std::iter::once(name.into()).chain(inside.iter().cloned()).collect();
        return in_rest(product, name, |rest| rest.call(change, &path, call));
    };
    let mut delta = product.change_part(name, change, inside, call)?;
    let Some(rest) = product.rest() else { return Ok(delta) };
    let shape = part.bare_shape();
    if beside(product, name).is_none_or(|entry| entry.present().is_empty())
        && let Some(place) = delta.rest_mut()
    {
        *place = rest.insert(change, name, &shape);
    }
    for (field, old) in rest.under(name) {
        if field.shape != shape {
            change.forget_all(old);
        }
    }
    Ok(delta)
}

/// Changes what a struct does not know.
fn in_rest<P: Product>(
    product: &P,
    name: &str,
    alter: impl FnOnce(&Record) -> Result<Record, EditError>,
) -> Result<P, EditError> {
    let mut delta = P::default();
    match (product.rest(), delta.rest_mut()) {
        (Some(rest), Some(place)) => *place = alter(rest)?,
        _ => return Err(EditError::NoSuchPlace { step: name.to_owned() }),
    }
    Ok(delta)
}

/// Takes away all that has been seen under a name.
fn forget<P: Product>(product: &P, change: &mut Change, name: &str) {
    if let Some(part) = product.part(name) {
        part.dots(&mut |range| change.forget_range(range));
    }
    for (_, entry) in product.rest().into_iter().flat_map(|rest| rest.under(name)) {
        change.forget_all(entry);
    }
}

/// Whether whoever reads the struct as a record sees this part under its name: it is there, and no other type
/// is that has a later dot.
fn is_seen<P: Product>(product: &P, name: &str, part: &dyn Part) -> bool {
    let Some(rest) = product.rest() else { return true };
    let own = last_dot(product, name, part);
    let shape = part.bare_shape();
    let mut others = rest.under(name).filter(|(field, _)| field.shape != shape);
    own.is_some() && others.all(|(_, entry)| latest(|each| entry.dots(each)) < own)
}

/// Becomes a map, field by field, where it differs.
fn set<P: Product>(
    product: &P,
    change: &mut Change,
    map: &BTreeMap<String, Value>,
) -> Result<P, EditError> {
    let others = product.rest().into_iter().flat_map(Record::iter).map(|(name, _)| name);
    for name in P::FIELDS.iter().copied().chain(others) {
        if !map.contains_key(name) {
            forget(product, change, name);
        }
    }
    let mut delta = P::default();
    for (name, value) in map {
        let says = match product.part(name) {
            Some(part) if part.is_bottom() || !is_seen(product, name, part) => None,
            Some(part) => Some(part.value()),
            None => product.rest().and_then(|rest| rest.get(name)).map(Crdt::value),
        };
        if says.as_ref() != Some(value) {
            let set = Call::new("set", [value.clone()]);
            unite(&mut delta, at_field(product, change, name, &[], &set)?);
        }
    }
    Ok(delta)
}
