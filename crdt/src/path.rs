//! Places inside an object, written `rows/ann/#3`.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// Keys, fields and indices from outside in.
///
/// As text the steps stand between slashes: a key as it is, a number after `#`. Inside a key `~0` is `~`, `~1` is
/// `/` and `~2` is `#`, as in JSON Pointer (RFC 6901).
///
/// ```
/// use meshwork_crdt::{Path, Value};
/// let path: Path = "rows/and~1or/#3".parse().unwrap();
/// assert_eq!(*path, ["rows".into(), "and/or".into(), Value::Int(3)]);
/// assert_eq!(path.to_string(), "rows/and~1or/#3");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Value>);

impl Deref for Path {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl From<Vec<Value>> for Path {
    fn from(steps: Vec<Value>) -> Self {
        Self(steps)
    }
}

impl FromIterator<Value> for Path {
    fn from_iter<I: IntoIterator<Item = Value>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { "/" } else { "" })?;
            match step {
                Value::Int(number) => write!(f, "#{number}")?,
                step => {
                    let key = step.clone().into_key();
                    let key = key.replace('~', "~0").replace('/', "~1").replace('#', "~2");
                    f.write_str(&key)?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let steps = text.trim_matches('/').split('/').filter(|step| !step.is_empty());
        let steps = steps.map(|step| {
            let number = step.strip_prefix('#').and_then(|number| number.parse().ok());
            number.map(Value::Int).unwrap_or_else(|| {
                let key = step.replace("~2", "#").replace("~1", "/").replace("~0", "~");
                Value::Text(key)
            })
        });
        Ok(steps.collect())
    }
}

impl Serialize for Path {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Ok(path) = String::deserialize(deserializer)?.parse();
        Ok(path)
    }
}
