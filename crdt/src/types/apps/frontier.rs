//! Frontiers.

use std::collections::BTreeMap;

use crate::algebra::{Anti, Partial};
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// The latest of many versions: those that no other one covers. A version says how far each of some streams has come.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Frontier};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut heads = Causal::<Frontier>::default();
    /// let version = |n, m| [("a".to_owned(), n), ("b".to_owned(), m)].into_iter().collect();
    /// heads.edit(&at(1), |heads, change| heads.add(change, version(1, 0)));
    /// heads.edit(&at(1), |heads, change| heads.add(change, version(1, 2)));
    /// assert_eq!(heads.iter().count(), 1);
    /// ```
    pub struct Frontier(Anti<Version>);
}
leaf!(Frontier);

/// How far each stream has come; no stream at 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(BTreeMap<String, u64>);

impl Partial for Version {
    fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(name, at)| self.0.get(name).is_some_and(|here| here >= at))
    }
}

impl Encode for Version {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl Decode for Version {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let version = BTreeMap::<String, u64>::decode(from)?;
        let canonical = version.values().all(|at| *at > 0);
        if canonical { Ok(Self(version)) } else { Err(DecodeError::NotCanonical) }
    }
}

impl Frontier {
    /// The versions that no other one covers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &BTreeMap<String, u64>> {
        self.0.iter().map(|version| &version.0)
    }

    /// Adds a version; returns the delta. O(n).
    #[must_use]
    pub fn add(&self, _: &mut Change, version: BTreeMap<String, u64>) -> Self {
        Self(Anti::of(Version(version.into_iter().filter(|(_, at)| *at > 0).collect())))
    }
}

impl Crdt for Frontier {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(|version| {
            Value::map(
                version.iter().map(|(name, at)| (Value::from(name.as_str()), Value::count(*at))),
            )
        }))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [stream, at]) => {
                let at = count_arg(at)? as u64;
                Ok(self.add(change, BTreeMap::from([(arg(stream)?, at)])))
            }
            ("add-all", [Value::Map(map)]) => {
                let at = |(name, at): (&String, &Value)| Ok((name.clone(), count_arg(at)? as u64));
                Ok(self.add(change, map.iter().map(at).collect::<Result<_, EditError>>()?))
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Frontier {
    const ABOUT: About = About {
        kind: Kind::Frontier,
        family: "apps",
        what: "the latest of many versions",
        rule: "versions that no other covers stay",
        algebra: "Anti<stream ↪ u64>",
        cost: "O(n²) to join",
        source: "Baquero et al. 2017 (maximal elements)",
        operations: &[
            op("add", &[Arg::Key, Arg::Count], "adds a version of one stream"),
            op("add-all", &[Arg::Value], "adds a version of several streams, as a map"),
        ],
    };
}
