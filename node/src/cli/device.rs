//! `meshwork device`: the devices of this member.

use std::time::Duration;

use clap::{Args, Subcommand};
use meshwork_protocol::{DeviceId, LinkCode, Phrase, RootWord, SpaceId};

use super::key::read_phrase;
use super::space::sync_state;
use super::terminal::{counted, table};
use super::{Context, duration};
use crate::api::types::{
    AddDevice, AwaitLinked, InSpaces, Linked, Name, OwnDevice, Revoke as Body, ShownCode,
    SpaceStatus, Status,
};
use crate::clock;
use crate::failure::{Failure, Result};
use crate::meant::{Known, meant};

/// Look after the devices of this member: link new ones, list them, revoke lost ones.
#[derive(Debug, Subcommand)]
pub(super) enum Device {
    Link(Link),
    Add(Add),
    List(List),
    Rename(Rename),
    Revoke(Revoke),
}

/// Show a code by which another device of yours makes this one yours too; waits until it has.
///
/// For a new device that is up and has no spaces. The code is a secret, and good for ten minutes and one use. Compare the
/// six words with those the other device shows. A backup of this device's keys that was made before is one of its old
/// member: make another afterwards.
#[derive(Debug, Args)]
pub(super) struct Link {}

/// Make a new device yours: it enters all spaces of this member.
///
/// On the new device, run `meshwork up` and `meshwork device link`, and bring the code here. Spaces that are created or
/// joined later do not appear on the other devices by themselves yet: let them join with a ticket.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The code that `meshwork device link` printed on the new device.
    code: String,
    /// The six words are the same on both devices: do not ask.
    #[arg(long)]
    yes: bool,
    /// How long to wait for the new device.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration::parse)]
    timeout: Duration,
}

/// List the devices of this member, and the spaces each is in.
#[derive(Debug, Args)]
pub(super) struct List {}

/// Call this device something else, for everybody it shares spaces with.
///
/// The name goes into the config file too; `--name` and MESHWORK_NAME win over that at the next start, but members go on
/// seeing the name given here.
#[derive(Debug, Args)]
pub(super) struct Rename {
    /// What to call it, in up to 128 bytes.
    name: String,
}

/// Take a device of this member out of every space it is in.
///
/// It keeps the content it has; the next edit is under a new key. Where it was concurrently used to take out others, the
/// device nearer to the phrase wins, and the phrase itself over every device: use --phrase if it may be in wrong hands.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The device: its name, its id, or the beginning of its id.
    device: String,
    /// Read the 24 words of the recovery phrase from standard input. They stay in this command and are not stored.
    #[arg(long)]
    phrase: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Device {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Link(_) => link(context),
            Self::Add(verb) => verb.run(context),
            Self::List(_) => list(context),
            Self::Rename(verb) => verb.run(context),
            Self::Revoke(verb) => verb.run(context),
        }
    }
}

fn link(context: &Context) -> Result<()> {
    let client = context.client()?;
    let nothing = serde_json::json!({});
    let shown: ShownCode = client.post(&["devices", "link"], &nothing, Duration::ZERO)?;
    context.terminal.talk("on a device that is yours already: meshwork device add CODE");
    context.terminal.talk(&format!("it must show the same six words: {}", shown.words));
    context.terminal.data(&shown, |shown| shown.code.clone())?;
    let left_ms = shown.expires_ms.saturating_sub(clock::now().0);
    let body = AwaitLinked { timeout_ms: Some(left_ms) };
    let waiting = context.terminal.waiting("waiting for the other device".to_owned());
    let linked: Result<Linked> =
        client.post(&["devices", "linked"], &body, Duration::from_millis(left_ms));
    waiting.finish_and_clear();
    let linked = linked?;
    context.terminal.talk(&format!(
        "this is a device of member {} now, in {}",
        linked.member,
        counted(linked.spaces.len() as u64, "space", "spaces")
    ));
    let row = |space: &SpaceStatus| vec![space.name.clone(), space.id.clone(), sync_state(space)];
    context
        .terminal
        .data(&linked, |linked| table(&linked.spaces.iter().map(row).collect::<Vec<_>>()))
}

impl Add {
    fn run(self, context: &Context) -> Result<()> {
        let code: LinkCode = self.code.trim().parse()?;
        let client = context.client()?;
        context.terminal.talk(&format!("the new device shows six words: {}", code.words()));
        context.terminal.confirm("are they the same there?", self.yes)?;
        let body =
            AddDevice { code: code.to_string(), timeout_ms: Some(duration::ms(self.timeout)) };
        let waiting = context.terminal.waiting("waiting for the new device".to_owned());
        let added: Result<InSpaces> = client.post(&["devices"], &body, self.timeout);
        waiting.finish_and_clear();
        let added = added?;
        context.terminal.talk(&format!(
            "it is yours now, and enters {}; spaces made or joined later need a ticket there",
            counted(added.spaces.len() as u64, "space", "spaces")
        ));
        context.terminal.data(&added, |added| added.device.clone())
    }
}

fn list(context: &Context) -> Result<()> {
    let devices: Vec<OwnDevice> = context.client()?.get(&["devices"], "")?;
    context.terminal.data(&devices, |devices| table(&devices.iter().map(row).collect::<Vec<_>>()))
}

impl Rename {
    fn run(self, context: &Context) -> Result<()> {
        let config = context.config()?;
        let client = context.client()?;
        config.write_name(&self.name)?;
        let renamed: Name = client.put(&["name"], &Name { name: self.name }, Duration::ZERO)?;
        context.terminal.data(&renamed, |renamed| renamed.name.clone())
    }
}

fn row(device: &OwnDevice) -> Vec<String> {
    let state = match (device.this_device, device.connected) {
        (true, _) => "this device",
        (false, true) => "connected",
        (false, false) => "not connected",
    };
    let spaces: Vec<&str> = device.spaces.values().map(String::as_str).collect();
    let spaces = if spaces.is_empty() { "no spaces".to_owned() } else { spaces.join(", ") };
    let (name, id) = (device.name.clone(), device.device.clone());
    vec![name, id, device.words.clone(), state.to_owned(), spaces]
}

impl Revoke {
    fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let mut device = self.device;
        let mut body = Body::default();
        if self.phrase {
            let devices: Vec<OwnDevice> = client.get(&["devices"], "")?;
            let meant = one_of(&devices, &device)?;
            let status: Status = client.get(&["status"], "")?;
            let phrase = read_phrase(context)?;
            body = words(meant, &status.device, &phrase)?;
            device.clone_from(&meant.device);
        } else {
            let question = format!("take {device} out of every space of this member?");
            context.terminal.confirm(&question, self.yes)?;
        }
        let path = ["devices", &device, "revoke"];
        let revoked: InSpaces = client.post(&path, &body, Duration::ZERO)?;
        context.terminal.talk(&format!(
            "revoked in {}; it keeps what it has, and the next edits are under new keys",
            counted(revoked.spaces.len() as u64, "space", "spaces")
        ));
        context.terminal.data(&revoked, |revoked| revoked.device.clone())
    }
}

/// The device that is meant; asking the daemon would be too late for what has to be signed.
fn one_of<'a>(devices: &'a [OwnDevice], text: &str) -> Result<&'a OwnDevice> {
    let known = devices.iter().enumerate();
    let known = known.map(|(at, own)| Known::of(at, own.device.clone(), &own.name));
    let at = meant(text, known.collect(), "device")
        .map_err(|failure| failure.hint("list yours: meshwork device list"))?;
    Ok(&devices[at])
}

/// What the root key says about a device, for each space it is in.
fn words(device: &OwnDevice, author: &str, phrase: &Phrase) -> Result<Body> {
    let wrong = |error| Failure::internal(format!("the daemon's answer: {error}"));
    let revoked: DeviceId = device.device.parse().map_err(wrong)?;
    let author: DeviceId = author.parse().map_err(wrong)?;
    let word = |id: &String| {
        let space: SpaceId = id.parse().map_err(wrong)?;
        Ok((id.clone(), RootWord::give(phrase, space, revoked, author).to_string()))
    };
    Ok(Body { words: device.spaces.keys().map(word).collect::<Result<_>>()? })
}
