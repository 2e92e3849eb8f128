//! `meshwork edit`.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use meshwork_crdt::{Arg, Edit as Content, Kind, Path, Shape, Value};
use meshwork_protocol::Action;

use super::Context;
use super::client::{Client, query};
use crate::api::types::{
    EditRequest, EditTarget, Edited, Edits, ObjectSummary, ObjectValue, PutObject, Waiting,
};
use crate::failure::{Failure, FailureKind, Result};

/// Change an object in place, or open it in $EDITOR.
///
/// Without an operation the text, or the value as JSON, is opened in $VISUAL or $EDITOR; what others change in a
/// text meanwhile is kept. With one, an object that does not exist is created: `meshwork edit home visits
/// increment 1`. `meshwork types` lists what can be done to which type.
#[derive(Debug, Args)]
pub(super) struct Edit {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The object's name.
    object: String,
    /// What to do, for example `increment`, `add`, `splice`.
    operation: Option<String>,
    /// What the operation is given, each JSON if it parses as JSON, else a string.
    #[arg(allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// Where inside the object: keys and fields between slashes, indices as #N.
    #[arg(long, value_name = "PLACE", default_value = "", hide_default_value = true)]
    at: Path,
    /// The type of a new object.
    ///
    /// [default: the simplest that has the operation; record for a place inside]
    #[arg(long)]
    shape: Option<Shape>,
    /// Give the object another name.
    #[arg(long, value_name = "NAME", conflicts_with = "operation")]
    rename: Option<String>,
}

impl Edit {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let path = ["spaces", &self.space, "objects", &self.object];
        let edited = if let Some(name) = self.rename {
            let object: ObjectValue = client.get(&path, "")?;
            let target = EditTarget::Id(object.object.id);
            send(&client, &self.space, EditRequest { target, action: Action::Rename(name) })?
        } else if let Some(operation) = &self.operation {
            let target = self.target(&client, operation)?;
            let call = Content::Call {
                path: self.at.clone(),
                operation: operation.clone(),
                arguments: self.arguments(operation),
            };
            send(&client, &self.space, EditRequest { target, action: Action::Change(call) })?
        } else {
            match in_editor(&client, &path)? {
                Some(edited) => edited,
                None => {
                    context.terminal.talk("nothing changed");
                    return Ok(());
                }
            }
        };
        context.terminal.data(&edited, |_| String::new())
    }

    /// The object if there is one; else the type that a new one is to be.
    fn target(&self, client: &Client, operation: &str) -> Result<EditTarget> {
        let objects: Vec<ObjectSummary> = client.get(&["spaces", &self.space, "objects"], "")?;
        let found = objects.into_iter().find(|object| object.name == self.object);
        let shape = match (found, &self.shape) {
            (Some(found), Some(shape)) if found.shape.bare() != shape.bare() => {
                return Err(Failure::usage(format!("`{}` is a {}", self.object, found.shape)));
            }
            (_, Some(shape)) => shape.clone(),
            (Some(found), None) => return Ok(EditTarget::Id(found.id)),
            (None, None) if !self.at.is_empty() => Kind::Record.into(),
            (None, None) => simplest_with(operation)?.into(),
        };
        Ok(EditTarget::Named { name: self.object.clone(), shape })
    }

    /// Arguments that an operation wants as text are text, whatever they look like.
    fn arguments(&self, operation: &str) -> Vec<Value> {
        let known = Kind::ALL.iter().flat_map(|kind| kind.about().operations);
        let named: Vec<_> = known.filter(|known| known.name == operation).collect();
        let wants_text = |index: usize| {
            !named.is_empty()
                && named.iter().all(|known| known.arguments.get(index) == Some(&Arg::Text))
        };
        let parse = |(index, argument): (usize, &String)| {
            let text = || Value::Text(argument.clone());
            if wants_text(index) {
                return text();
            }
            serde_json::from_str(argument).unwrap_or_else(|_| text())
        };
        self.arguments.iter().enumerate().map(parse).collect()
    }
}

/// The types an operation creates unless told otherwise, where several have it.
const SIMPLEST: [Kind; 7] =
    [Kind::Register, Kind::Counter, Kind::Set, Kind::Text, Kind::List, Kind::Map, Kind::Flag];

/// The simplest type that has an operation, or the only one.
fn simplest_with(operation: &str) -> Result<Kind> {
    let has = |kind: &Kind| kind.about().operations.iter().any(|known| known.name == operation);
    let all: Vec<Kind> = Kind::ALL.into_iter().filter(has).collect();
    match (SIMPLEST.into_iter().find(has), all.as_slice()) {
        (Some(kind), _) => Ok(kind),
        (None, [kind]) => Ok(*kind),
        (None, []) => Err(Failure::usage(format!("no type has an operation `{operation}`"))
            .hint("list types and their operations: meshwork types")),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|kind| kind.name()).collect();
            Err(Failure::usage(format!("several types have an operation `{operation}`"))
                .hint(format!("say which with --shape: {}", names.join(", "))))
        }
    }
}

fn send(client: &Client, space: &str, edit: EditRequest) -> Result<Edited> {
    let body = Edits { edits: vec![edit], wait: Waiting::default() };
    client.post(&["spaces", space, "edits"], &body, Duration::ZERO)
}

fn in_editor(client: &Client, path: &[&str]) -> Result<Option<Edited>> {
    let (before, base, is_text) =
        match client.get::<ObjectValue>(path, &query(&[("base", Some("true"))])) {
            Ok(ObjectValue { value: Value::Text(text), base: Some(base), .. }) => {
                (text, Some(base), true)
            }
            Ok(object) => {
                let json = serde_json::to_string_pretty(&object.value);
                (json.expect("a value is plain JSON") + "\n", None, false)
            }
            Err(failure) if failure.kind == FailureKind::NotFound => (String::new(), None, true),
            Err(failure) => return Err(failure),
        };
    let after = edited_by_person(&before, if is_text { ".txt" } else { ".json" })?;
    if after == before {
        return Ok(None);
    }
    let value = if is_text {
        Value::Text(after)
    } else {
        serde_json::from_str(&after)
            .map_err(|error| Failure::usage(format!("what was written is not JSON: {error}")))?
    };
    let shape = (is_text && base.is_none()).then(|| Kind::Text.into());
    let body = PutObject { value, at: Path::default(), shape, base, wait: Waiting::default() };
    client.put(path, &body, Duration::ZERO).map(Some)
}

fn edited_by_person(before: &str, suffix: &str) -> Result<String> {
    let failed = |error: std::io::Error| Failure::storage(format!("a temporary file: {error}"));
    let mut file =
        tempfile::Builder::new().prefix("meshwork-").suffix(suffix).tempfile().map_err(failed)?;
    file.write_all(before.as_bytes()).map_err(failed)?;
    let path = file.into_temp_path();
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty()))
        .ok_or_else(|| {
            Failure::usage("neither VISUAL nor EDITOR says which editor to open")
                .hint("or name an operation: meshwork edit --help")
        })?;
    let mut words = editor.split_whitespace();
    let program = words.next().expect("an editor of blanks only was filtered out");
    let status = Command::new(program).args(words).arg(&path).status();
    match status {
        Ok(status) if status.success() => std::fs::read_to_string(&path).map_err(failed),
        Ok(status) => Err(Failure::usage(format!("the editor `{editor}` ended with {status}"))
            .hint("nothing was changed")),
        Err(error) => Err(Failure::usage(format!("cannot start the editor `{editor}`: {error}"))),
    }
}
