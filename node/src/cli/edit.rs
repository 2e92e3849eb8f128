//! `meshwork edit`.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use meshwork_crdt::{Edit as Content, Shape, Value};
use meshwork_protocol::Action;

use super::Context;
use super::client::{Client, query};
use crate::api::types::{EditRequest, EditTarget, Edited, Edits, ObjectValue, PutObject, Waiting};
use crate::failure::{Failure, FailureKind, Result};

/// Change an object in place, or open it in $EDITOR.
///
/// Without a flag the text, or the value as JSON, is opened in $VISUAL or $EDITOR; what others change
/// in a text meanwhile is kept. With a flag, an object that does not exist is created.
#[derive(Debug, Args)]
pub(super) struct Edit {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The object's name.
    object: String,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Change {
    /// Add N, which may be negative, to a counter.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    increment: Option<i64>,
    /// Add a value to a set.
    #[arg(long, value_name = "VALUE")]
    add: Option<String>,
    /// Remove a value from a set.
    #[arg(long, value_name = "VALUE")]
    remove: Option<String>,
    /// Insert TEXT into a text, before the character number AT.
    #[arg(long, num_args = 2, value_names = ["AT", "TEXT"])]
    insert: Option<Vec<String>>,
    /// Delete LEN characters of a text, from the character number AT on.
    #[arg(long, num_args = 2, value_names = ["AT", "LEN"])]
    delete: Option<Vec<String>>,
    /// Give the object another name.
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,
}

impl Edit {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let path = ["spaces", &self.space, "objects", &self.object];
        let edited = if let Some(name) = self.change.rename {
            let object: ObjectValue = client.get(&path, "")?;
            let target = EditTarget::Id(object.object.id);
            send(&client, &self.space, EditRequest { target, action: Action::Rename(name) })?
        } else if let Some((shape, content)) = self.change.content()? {
            let target = EditTarget::Named { name: self.object, shape };
            send(&client, &self.space, EditRequest { target, action: Action::Change(content) })?
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
}

impl Change {
    fn content(&self) -> Result<Option<(Shape, Content)>> {
        let value = |text: &str| {
            serde_json::from_str(text).unwrap_or_else(|_| Value::Text(text.to_owned()))
        };
        let number = |text: &str| {
            text.parse().map_err(|_| Failure::usage(format!("`{text}` is not a whole number")))
        };
        if let Some(by) = self.increment {
            return Ok(Some((Shape::Counter, Content::Increment(by))));
        }
        if let Some(text) = &self.add {
            return Ok(Some((Shape::Set, Content::Add(value(text)))));
        }
        if let Some(text) = &self.remove {
            return Ok(Some((Shape::Set, Content::Discard(value(text)))));
        }
        if let Some([at, insert]) = self.insert.as_deref() {
            let splice = Content::Splice { at: number(at)?, delete: 0, insert: insert.clone() };
            return Ok(Some((Shape::Text, splice)));
        }
        if let Some([at, len]) = self.delete.as_deref() {
            let splice =
                Content::Splice { at: number(at)?, delete: number(len)?, insert: String::new() };
            return Ok(Some((Shape::Text, splice)));
        }
        Ok(None)
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
    let shape = (is_text && base.is_none()).then_some(Shape::Text);
    let body = PutObject { value, key: None, shape, base, wait: Waiting::default() };
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
                .hint("or change it with a flag: meshwork edit --help")
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
