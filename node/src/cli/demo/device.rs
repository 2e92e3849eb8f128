//! One node of the demo: a process, its directories, and what it is asked over its API.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use meshwork_crdt::{Kind, Shape, Value};
use meshwork_protocol::History;

use super::super::client::{Client, Following, query};
use crate::api::types::{
    CreateSpace, Digest, Edited, Invite, Invited, Join, ObjectValue, Online, PutObject,
    ShareFolder, SpaceStatus, Status, Waiting, WatchMessage,
};
use crate::failure::{Failure, Result};
use crate::share::ShareStatus;

/// The space the demo is about.
const SPACE: &str = "demo";

pub(super) struct Device {
    pub data_dir: PathBuf,
    pub folder: PathBuf,
    client: Client,
    process: Mutex<Option<Child>>,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Device {
    /// Starts a node, or starts it again, and waits until it answers.
    pub(super) fn start(root: &Path, name: &str) -> Result<Self> {
        let (data_dir, folder) = (root.join(format!("{name}-data")), root.join(name));
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::storage(format!("{}: {error}", folder.display())))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::internal(format!("where is this program: {error}")))?;
        let mut child = Command::new(program)
            .arg("--data-dir")
            .arg(&data_dir)
            .args(["--json", "up", "--no-mdns", "--name", name, "--api", "127.0.0.1:0"])
            .args(["--listen", "/ip4/127.0.0.1/tcp/0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::internal(format!("cannot start a node: {error}")))?;
        let started = child.stdout.take().map(BufReader::new).and_then(|mut lines| {
            let mut line = String::new();
            lines.read_line(&mut line).ok().filter(|read| *read > 0)
        });
        if started.is_none() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::internal(format!("the node {name} does not start"))
                .hint(format!("see why: meshwork up --data-dir {}", data_dir.display())));
        }
        let client = Client::connect(&data_dir)?;
        Ok(Self { data_dir, folder, client, process: Mutex::new(Some(child)) })
    }

    /// SIGKILL: no time for anything.
    pub(super) fn kill(&self) {
        let process = self.process.lock().expect("no holder panics").take();
        if let Some(mut process) = process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Lets the node run on.
    pub(super) fn leave(self) {
        drop(self.process.lock().expect("no holder panics").take());
    }

    pub(super) fn create_space(&self, name: &str) -> Result<String> {
        let body = CreateSpace { name: name.to_owned(), history: History::All };
        let made: SpaceStatus = self.client.post(&["spaces"], &body, Duration::ZERO)?;
        Ok(made.id)
    }

    pub(super) fn invite(&self, space: &str) -> Result<String> {
        let path = ["spaces", space, "invites"];
        let made: Invited = self.client.post(&path, &Invite::default(), Duration::ZERO)?;
        Ok(made.ticket)
    }

    pub(super) fn join(&self, ticket: &str) -> Result<()> {
        let body = Join { ticket: ticket.to_owned(), timeout_ms: None };
        let _: SpaceStatus = self.client.post(&["joins"], &body, super::PATIENCE)?;
        Ok(())
    }

    pub(super) fn share(&self) -> Result<()> {
        let body = ShareFolder { dir: self.folder.clone(), space: SPACE.to_owned() };
        let _: ShareStatus = self.client.post(&["shares"], &body, super::PATIENCE)?;
        Ok(())
    }

    pub(super) fn set_online(&self, online: bool) -> Result<()> {
        let _: Online = self.client.post(&["online"], &Online { online }, Duration::ZERO)?;
        Ok(())
    }

    fn put_object(&self, object: &str, key: Option<&str>, value: u64) -> Result<()> {
        let body = PutObject {
            value: Value::Int(i64::try_from(value).unwrap_or(i64::MAX)),
            at: key.map(|key| key.into()).into_iter().collect(),
            shape: Some(Shape::new(if key.is_some() { Kind::Map } else { Kind::Register })),
            base: None,
            wait: Waiting::default(),
        };
        let path = ["spaces", SPACE, "objects", object];
        let _: Edited = self.client.put(&path, &body, Duration::ZERO)?;
        Ok(())
    }

    pub(super) fn put(&self, object: &str, value: u64) -> Result<()> {
        self.put_object(object, None, value)
    }

    pub(super) fn put_key(&self, object: &str, key: &str, value: u64) -> Result<()> {
        self.put_object(object, Some(key), value)
    }

    fn object(&self, name: &str) -> Result<ObjectValue> {
        self.client.get(&["spaces", SPACE, "objects", name], "")
    }

    /// The text of an object.
    pub(super) fn value(&self, name: &str) -> Result<Option<String>> {
        match self.object(name)?.value {
            Value::Text(text) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// The numbers of a map.
    pub(super) fn map(&self, name: &str) -> Result<BTreeMap<String, u64>> {
        let Value::Map(map) = self.object(name)?.value else { return Ok(BTreeMap::new()) };
        let number = |value: &Value| match value {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        Ok(map.iter().filter_map(|(key, value)| Some((key.clone(), number(value)?))).collect())
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)
            .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))
    }

    fn status(&self) -> Result<Status> {
        self.client.get(&["status"], "")
    }

    fn space(&self) -> Result<Option<SpaceStatus>> {
        Ok(self.status()?.spaces.into_iter().find(|space| space.name == SPACE))
    }

    /// Entries of the space held here.
    pub(super) fn entries(&self) -> Result<u64> {
        Ok(self.space()?.map_or(0, |space| space.entries))
    }

    /// Entries of the space applied here.
    pub(super) fn applied(&self) -> Result<u64> {
        Ok(self.space()?.map_or(0, |space| space.entries - space.waiting))
    }

    pub(super) fn objects(&self) -> Result<usize> {
        Ok(self.space()?.map_or(0, |space| space.objects))
    }

    pub(super) fn digest(&self) -> Result<String> {
        let digest: Digest = self.client.get(&["spaces", SPACE, "digest"], "")?;
        Ok(digest.digest)
    }

    /// Bytes sent to peers, and bytes of changes written, since the node started.
    pub(super) fn traffic(&self) -> Result<(u64, u64)> {
        let status = self.status()?;
        Ok((status.bytes_out, status.counters.payload_bytes_written))
    }

    /// Follows one object.
    pub(super) fn watch(&self, object: &str) -> Result<Watch> {
        let query = query(&[("object", Some(object))]);
        let mut following = self.client.watch(&["spaces", SPACE, "watch"], &query)?;
        following.next()?;
        Ok(Watch { following })
    }
}

/// A node's object being followed.
pub(super) struct Watch {
    following: Following,
}

impl Watch {
    /// Waits until the object has a value.
    pub(super) fn until(&mut self, value: u64) -> Result<()> {
        let wanted = Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
        loop {
            let seen = match self.following.next()? {
                WatchMessage::Change { object, .. } => object.value == wanted,
                WatchMessage::Snapshot { objects, .. } => {
                    objects.iter().any(|object| object.value == wanted)
                }
                WatchMessage::Presence { .. } => false,
                WatchMessage::Failed { failure } => return Err(failure),
            };
            if seen {
                return Ok(());
            }
        }
    }
}
