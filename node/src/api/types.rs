//! What crosses the API, as JSON: requests, answers, messages of a watch.
//!
//! Ids are their printed form. Times are milliseconds since the Unix epoch, durations say their unit.

mod linking;
mod membership;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use meshwork_crdt::{Kind, LogId, Path, Shape, Value};
use meshwork_protocol::{
    Action, Counters, GreyView, History, LinkView, MemberView, ObjectEdit, ObjectView, Role,
    SpaceView, SyncView, Target, Time,
};
use serde::{Deserialize, Serialize};

pub use super::why::{Reason, Why, WhyPeer};
use crate::daemon::GroupCounters;
use crate::failure::{Failure, Result};
use crate::network;
use crate::space::{self, Change, Frontier, Receipt, Snapshot, TextBase};

pub use linking::{AddDevice, AwaitLinked, InSpaces, Linked, Name, OwnDevice, Revoke, ShownCode};
pub use membership::{Adopt, Adopted, InviteState, Member, Quarantined, SetRole};

/// Where a running daemon can be talked to; the content of `api.json` in its data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where the API listens.
    pub address: SocketAddr,
    /// What requests must carry as `Authorization: Bearer`.
    pub token: String,
    /// The daemon's process.
    pub pid: u32,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The device.
    pub device: String,
    /// What people call it.
    pub name: String,
    /// The version of meshwork it runs.
    pub version: String,
    /// Where its data is.
    pub data_dir: PathBuf,
    /// Whether it is on the network.
    pub online: bool,
    /// How long it has been up, in milliseconds.
    pub uptime_ms: u64,
    /// Where peers may connect to.
    pub listening: Vec<String>,
    /// Number of live links.
    pub peers: usize,
    /// Its spaces.
    pub spaces: Vec<SpaceStatus>,
    /// Bytes received from peers.
    pub bytes_in: u64,
    /// Bytes sent to peers.
    pub bytes_out: u64,
    /// How the engine grouped its work.
    pub groups: GroupCounters,
    /// What the engine has done.
    pub counters: Counters,
}

/// One space, and how far other devices are known to have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceStatus {
    /// The space.
    pub id: String,
    /// What its members call it.
    pub name: String,
    /// Whether this device has been admitted.
    pub ready: bool,
    /// What this device may do.
    pub role: Option<Role>,
    /// The device that took this one, or its member, out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_by: Option<String>,
    /// Live objects.
    pub objects: usize,
    /// Entries held.
    pub entries: u64,
    /// Entries held that cannot be applied yet.
    pub waiting: u64,
    /// Entries held that do not count, since their writers had lost the right to write.
    pub quarantined: u64,
    /// Older entries that the objects contain and that are not here.
    #[serde(default)]
    pub older: u64,
    /// Whether older entries are kept, or asked for.
    pub keeps_history: bool,
    /// The device whose snapshot the objects began with, until its history has proven it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought_by: Option<String>,
    /// What of the past those who are let in later can read.
    pub history: History,
    /// Member devices, this one included.
    pub devices: usize,
    /// Other devices with a link that shares the space.
    pub connected: usize,
    /// Other devices that have confirmed to hold everything this device wrote, durably.
    pub confirmed: usize,
    /// Other devices that are known to hold everything held here, durably.
    pub in_sync: usize,
    /// The others, the furthest behind first.
    pub lagging: Vec<Lagging>,
}

/// A member device that is not known to hold everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lagging {
    /// The device.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    /// Entries held here that it is not known to hold.
    pub missing: u64,
    /// Whether there is a link with it that shares the space.
    pub connected: bool,
    /// When it was last there, if ever.
    pub last_seen_ms: Option<u64>,
}

impl SpaceStatus {
    /// Puts together what is known of a space.
    #[must_use]
    pub fn new(space: &SpaceView, members: &[MemberView]) -> Self {
        let others = || members.iter().filter(|member| !member.this_device);
        let lagging = others().filter(|member| member.missing > 0).map(|member| Lagging {
            device: member.device.to_string(),
            name: match member.name.as_str() {
                "" => member.device.short(),
                name => name.to_owned(),
            },
            missing: member.missing,
            connected: !member.links.is_empty(),
            last_seen_ms: member.last_seen.map(|at| at.0),
        });
        let mut lagging: Vec<Lagging> = lagging.collect();
        lagging.sort_by_key(|one| std::cmp::Reverse(one.missing));
        Self {
            id: space.id.to_string(),
            name: space.name.clone(),
            ready: space.ready,
            role: space.role,
            removed_by: space.removed_by.map(|device| device.to_string()),
            objects: space.objects,
            entries: space.entries,
            waiting: space.waiting,
            quarantined: space.quarantined,
            older: space.older,
            keeps_history: space.keeps_history,
            brought_by: space.brought_by.map(|device| device.to_string()),
            history: space.history,
            devices: members.len(),
            connected: others().filter(|member| !member.links.is_empty()).count(),
            confirmed: others().filter(|member| member.behind == 0).count(),
            in_sync: others().filter(|member| member.missing == 0).count(),
            lagging,
        }
    }
}

/// What the members of a space are known to hold durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The log this device writes.
    pub own_log: String,
    /// Up to which entry it is held by one device, by two, and so on; this device counts.
    pub replicated: Vec<u64>,
    /// By member device: the last entry of each log.
    pub members: BTreeMap<String, BTreeMap<String, u64>>,
    /// Up to where every member device holds each log.
    pub stable: BTreeMap<String, u64>,
}

impl From<meshwork_protocol::Receipts> for Receipts {
    fn from(receipts: meshwork_protocol::Receipts) -> Self {
        let by_log = |heads: &[(LogId, u64)]| {
            heads.iter().map(|(log, seq)| (log.to_string(), *seq)).collect()
        };
        let members = receipts.members.iter();
        Self {
            own_log: receipts.own_log.to_string(),
            members: members.map(|one| (one.device.to_string(), by_log(&one.heads))).collect(),
            stable: by_log(&receipts.stable),
            replicated: receipts.replicated,
        }
    }
}

/// What came of syncing one space with a device, so far or in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// The space.
    pub space: String,
    /// When the session ended; nothing while it lives.
    pub ended_ms: Option<u64>,
    /// Entries sent.
    pub entries_sent: u64,
    /// New entries received.
    pub entries_received: u64,
    /// Bytes of entries sent.
    pub run_bytes_sent: u64,
    /// Bytes of entries received, those that were here already included.
    pub run_bytes_received: u64,
    /// Whether both are known to hold the same.
    pub agreed: bool,
    /// If not, why: the causes that `why` puts into words.
    pub causes: Vec<serde_json::Value>,
}

impl Sync {
    fn new(view: &SyncView, ended: Option<Time>) -> Self {
        let cause = |cause| serde_json::to_value(cause).expect("causes are plain JSON");
        Self {
            space: view.space.to_string(),
            ended_ms: ended.map(|at| at.0),
            entries_sent: view.entries_sent,
            entries_received: view.entries_received,
            run_bytes_sent: view.run_bytes_sent,
            run_bytes_received: view.run_bytes_received,
            agreed: view.agreed,
            causes: view.causes.iter().map(cause).collect(),
        }
    }
}

/// A device with which there is a link, or was since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The device at the other end.
    pub device: String,
    /// Whether there is a link now; otherwise only what is known of the last one is told.
    pub connected: bool,
    /// Until when it is shut out for what it sent, if it is.
    pub grey_until_ms: Option<u64>,
    /// What it sent last that was wrong, if it is shut out.
    pub grey_for: Option<String>,
    /// What came of syncing each space with it.
    pub syncs: Vec<Sync>,
    /// Its address.
    pub address: String,
    /// What carries the link: `tcp` or `quic`.
    pub transport: String,
    /// Whether this node dialled.
    pub outbound: bool,
    /// How long the link has been up, in milliseconds.
    pub connected_ms: u64,
    /// Round trip time, in milliseconds, once measured.
    pub rtt_ms: Option<f64>,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// The spaces both ends have proven.
    pub spaces: Vec<String>,
    /// Penalties for wrong frames.
    pub penalty: u32,
}

impl Peer {
    pub(crate) fn new(status: &network::PeerStatus, link: Option<&LinkView>) -> Self {
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
        Self {
            device: meshwork_protocol::DeviceId(status.peer.0).to_string(),
            connected: true,
            grey_until_ms: None,
            grey_for: None,
            syncs: link
                .map(|view| view.syncs.iter().map(|sync| Sync::new(sync, None)).collect())
                .unwrap_or_default(),
            address: status.address.to_string(),
            transport: match status.transport {
                network::Transport::Tcp => "tcp".to_owned(),
                network::Transport::Quic => "quic".to_owned(),
            },
            outbound: status.direction == network::Direction::Outbound,
            connected_ms: u64::try_from(status.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            rtt_ms: status.rtt.map(ms),
            bytes_in: status.bytes_in,
            bytes_out: status.bytes_out,
            spaces: link
                .map(|view| view.spaces.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            penalty: link.map_or(0, |view| view.penalty),
        }
    }

    /// A device without a link: what came of the last one, and whether it is shut out.
    pub(crate) fn absent(
        device: meshwork_protocol::DeviceId,
        ended: &[(Time, meshwork_protocol::DeviceId, SyncView)],
        grey: Option<&GreyView>,
    ) -> Self {
        let with_it = ended.iter().filter(|(_, other, _)| *other == device);
        Self {
            device: device.to_string(),
            connected: false,
            grey_until_ms: grey.map(|grey| grey.until.0),
            grey_for: grey.map(|grey| grey.rejection.to_string()),
            syncs: with_it.map(|(at, _, sync)| Sync::new(sync, Some(*at))).collect(),
            address: String::new(),
            transport: String::new(),
            outbound: false,
            connected_ms: 0,
            rtt_ms: None,
            bytes_in: 0,
            bytes_out: 0,
            spaces: Vec::new(),
            penalty: 0,
        }
    }
}

/// One object, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectSummary {
    /// The object.
    pub id: String,
    /// The name it is shown under.
    pub name: String,
    /// Its type.
    pub shape: Shape,
}

impl From<&ObjectView> for ObjectSummary {
    fn from(view: &ObjectView) -> Self {
        Self { id: view.id.to_string(), name: view.name.clone(), shape: view.shape.clone() }
    }
}

/// One object with its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectValue {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectSummary,
    /// Its value, or that of the place asked for.
    pub value: Value,
    /// Of a text, if asked for: what to hand back as [`PutObject::base`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<TextBase>,
}

/// Why a place in an object says what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The type.
    pub kind: Kind,
    /// How it settles conflicts.
    pub rule: String,
    /// What it says.
    pub value: Value,
    /// What was claimed, those that stand first.
    pub claims: Vec<Claim>,
}

/// What somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What.
    pub value: Value,
    /// The log it was written to, if it is known.
    pub log: Option<String>,
    /// What the device that wrote it calls itself, if it is a member.
    pub by: Option<String>,
    /// When it was written, if it is known, by the clock of that device.
    pub time_ms: Option<u64>,
    /// Whether it stands.
    pub stands: bool,
}

impl Explanation {
    pub(crate) fn new(told: meshwork_crdt::Explanation, writers: &BTreeMap<LogId, String>) -> Self {
        let claims = told.claims.into_iter().map(|claim| Claim {
            value: claim.value,
            log: claim.by.map(|log| log.to_string()),
            by: claim.by.and_then(|log| writers.get(&log).cloned()),
            time_ms: claim.time.map(meshwork_crdt::HybridTime::millis),
            stands: claim.stands,
        });
        let claims = claims.collect();
        Self { kind: told.kind, rule: told.rule.to_owned(), value: told.value, claims }
    }
}

/// What of an object is wanted: query of `GET` and `DELETE /v1/spaces/{space}/objects/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectQuery {
    /// A place inside.
    #[serde(default)]
    pub at: Path,
    /// Also answer the base of a text.
    #[serde(default)]
    pub base: bool,
}

/// Body of `POST /v1/spaces/{space}/checkpoint`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeCheckpoint {
    /// Devices that were last seen longer ago than this are not waited for; without it, all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_ms: Option<u64>,
}

/// Body of `PUT /v1/spaces/{space}/history`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepHistory {
    /// Whether older entries are kept.
    pub keep: bool,
}

/// Body of `POST /v1/spaces`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSpace {
    /// What to call it.
    pub name: String,
    /// What of the past those who are let in later can read.
    #[serde(default)]
    pub history: History,
}

/// Body of `POST /v1/spaces/{space}/invites`; what is missing is as by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// What the newcomer may do.
    pub role: Option<Role>,
    /// How long the ticket is valid, in milliseconds.
    pub lifetime_ms: Option<u64>,
    /// How many devices may join with it.
    pub uses: Option<u32>,
}

/// A ticket that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// The ticket: a secret until it expires or is used up.
    pub ticket: String,
    /// The space it leads to.
    pub space: String,
    /// What the newcomer may do.
    pub role: Role,
    /// Until when.
    pub expires_ms: u64,
}

/// Body of `POST /v1/joins`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The ticket.
    pub ticket: String,
    /// How long to wait for admission, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// How many devices must hold an edit before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Devices, this one included; nothing or up to 1: this one.
    pub devices: Option<usize>,
    /// How long to wait, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// Body of `PUT /v1/spaces/{space}/objects/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutObject {
    /// The value.
    pub value: Value,
    /// Put it at this place inside only.
    #[serde(default)]
    pub at: Path,
    /// The type of the object if it does not exist yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// The version of a text the value was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<TextBase>,
    /// Whom to wait for.
    #[serde(default)]
    pub wait: Waiting,
}

/// Body of `POST /v1/spaces/{space}/edits`: all or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// The changes, applied in order.
    pub edits: Vec<EditRequest>,
    /// Whom to wait for.
    #[serde(default)]
    pub wait: Waiting,
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditRequest {
    /// Which object.
    pub target: EditTarget,
    /// What to do with it.
    pub action: Action,
}

/// How an [`EditRequest`] names its object; see [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditTarget {
    /// By id.
    Id(String),
    /// By name, created with `shape` if there is none.
    Named {
        /// The name.
        name: String,
        /// The type.
        shape: Shape,
    },
    /// A new text that starts as the content of a file.
    File {
        /// The name.
        name: String,
        /// The content.
        content: String,
    },
}

impl TryFrom<EditRequest> for ObjectEdit {
    type Error = Failure;

    fn try_from(request: EditRequest) -> Result<Self> {
        let target = match request.target {
            EditTarget::Id(id) => {
                Target::Id(id.parse().map_err(|error| Failure::usage(format!("`{id}`: {error}")))?)
            }
            EditTarget::Named { name, shape } => Target::Named { name, shape },
            EditTarget::File { name, content } => Target::File { name, content },
        };
        Ok(Self { target, action: request.action })
    }
}

/// What an edit led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The log that carries the edit.
    pub log: String,
    /// Its last entry.
    pub seq: u64,
    /// The objects, one for each edit.
    pub objects: Vec<String>,
    /// Devices known to hold it durably, this one included; all that were waited for.
    pub held_by: Vec<String>,
}

impl Edited {
    /// Puts the answer together.
    #[must_use]
    pub fn new(receipt: &Receipt, held_by: &[meshwork_protocol::DeviceId]) -> Self {
        Self {
            log: receipt.log.to_string(),
            seq: receipt.seq,
            objects: receipt.objects.iter().map(ToString::to_string).collect(),
            held_by: held_by.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The digest of a space: equal on devices that have applied the same entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// 64 hexadecimal digits.
    pub digest: String,
}

/// Body of `POST /v1/shares`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareFolder {
    /// The folder, as an absolute path.
    pub dir: PathBuf,
    /// The space: its name, its id, or the beginning of its id.
    pub space: String,
}

/// Body and answer of `POST /v1/online`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Online {
    /// Whether the node is to be on the network.
    pub online: bool,
}

/// One message of `GET /v1/spaces/{space}/watch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WatchMessage {
    /// Everything; the first message, and whenever the subscriber was too slow for changes.
    Snapshot {
        /// What is applied, by log.
        frontier: BTreeMap<String, u64>,
        /// The objects.
        objects: Vec<ObjectValue>,
        /// The devices that are present.
        #[serde(default)]
        present: Vec<Presence>,
    },
    /// What a device says for the moment has changed.
    Presence {
        /// The device.
        device: String,
        /// What it calls itself.
        name: String,
        /// What it says; none once it is gone.
        value: Option<Value>,
    },
    /// One object is different now.
    Change {
        /// What is applied, by log.
        frontier: BTreeMap<String, u64>,
        /// The object and its value.
        object: ObjectValue,
        /// Whether it is gone.
        deleted: bool,
        /// Who wrote the latest entry that changed it.
        author: String,
    },
    /// The watch is over.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl From<Snapshot> for WatchMessage {
    fn from(snapshot: Snapshot) -> Self {
        Self::Snapshot {
            frontier: frontier(&snapshot.frontier),
            objects: snapshot
                .objects
                .into_iter()
                .map(|(view, value)| ObjectValue { object: (&view).into(), value, base: None })
                .collect(),
            present: snapshot.present.into_iter().map(Presence::from).collect(),
        }
    }
}

impl From<Change> for WatchMessage {
    fn from(change: Change) -> Self {
        Self::Change {
            frontier: frontier(&change.frontier),
            object: ObjectValue {
                object: (&change.object).into(),
                value: change.value,
                base: None,
            },
            deleted: change.object.deleted,
            author: change.author.to_string(),
        }
    }
}

fn frontier(frontier: &Frontier) -> BTreeMap<String, u64> {
    frontier.iter().map(|(log, seq)| (log.to_string(), *seq)).collect()
}

/// A device that is present in a space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// The device.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    /// Whether it is this device.
    pub this_device: bool,
    /// What it says.
    pub value: Value,
}

impl From<space::Present> for Presence {
    fn from(present: space::Present) -> Self {
        let space::Present { device, name, this_device, value } = present;
        Self { device: device.to_string(), name, this_device, value }
    }
}

/// Body of `PUT /v1/spaces/{space}/presence`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// What this device says.
    pub value: Value,
}

/// Query of `GET /v1/spaces/{space}/watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchQuery {
    /// Only this object, by the name it is shown under.
    pub object: Option<String>,
}
