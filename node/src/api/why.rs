//! Why something is not synced yet, in words: the engine's causes in, a sentence and a hint for each out.

use std::collections::BTreeMap;

use meshwork_protocol::{Cause, DeviceId, Here, Lacks, Time, Why as Causes};
use serde::{Deserialize, Serialize};

use crate::network::Attempt;

/// Why a space is not the same on all its devices, or that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The space.
    pub space: String,
    /// What its members call it.
    pub name: String,
    /// Whether every member device is known to hold all that is held here, and nobody is known to hold more.
    pub synced: bool,
    /// What keeps this device itself.
    pub here: Vec<Reason>,
    /// Each other device.
    pub peers: Vec<WhyPeer>,
}

/// One other device and a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyPeer {
    /// The device.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    /// Whether there is a live link with it.
    pub linked: bool,
    /// When it was last there, if ever.
    pub last_seen_ms: Option<u64>,
    /// Entries held here that it is not known to hold durably.
    pub missing: u64,
    /// Entries it says it holds that are not here.
    pub ahead: u64,
    /// Where it was tried to be reached in vain.
    pub tried: Vec<String>,
    /// What keeps the two apart; empty if nothing does.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Its name, for programs.
    pub cause: String,
    /// What is so.
    pub sentence: String,
    /// What to do about it.
    pub hint: String,
    /// The log it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The first entry that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Entries it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Devices that could help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<String>,
}

impl Reason {
    fn new(cause: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            cause: cause.to_owned(),
            sentence: sentence.into(),
            hint: hint.into(),
            log: None,
            seq: None,
            entries: None,
            holders: Vec::new(),
        }
    }

    /// The node was taken off the network.
    pub(crate) fn offline() -> Self {
        Self::new("offline", "this device was taken off the network", "go back: meshwork online")
    }

    fn entries(self, entries: u64) -> Self {
        Self { entries: Some(entries), ..self }
    }
}

/// What reasons are put into words with.
struct Telling<'a> {
    names: BTreeMap<DeviceId, &'a str>,
    space: &'a str,
    now: Time,
}

impl Why {
    pub(crate) fn new(
        causes: &Causes,
        now: Time,
        attempt: impl Fn(DeviceId) -> Option<Attempt>,
    ) -> Self {
        let names = causes.peers.iter().map(|peer| (peer.device, peer.name.as_str())).collect();
        let telling = Telling { names, space: &causes.name, now };
        let peers = causes.peers.iter().map(|peer| {
            let attempt = if peer.linked { None } else { attempt(peer.device) };
            let reasons =
                peer.causes.iter().map(|cause| telling.cause(peer, cause, attempt.as_ref()));
            WhyPeer {
                device: peer.device.to_string(),
                name: telling.name(peer.device),
                linked: peer.linked,
                last_seen_ms: peer.last_seen.map(|at| at.0),
                missing: peer.missing,
                ahead: peer.ahead,
                reasons: reasons.collect(),
                tried: attempt
                    .map(|attempt| attempt.addresses.iter().map(ToString::to_string).collect())
                    .unwrap_or_default(),
            }
        });
        Self {
            space: causes.space.to_string(),
            name: causes.name.clone(),
            synced: causes.synced,
            here: causes.here.iter().map(|here| telling.here(here)).collect(),
            peers: peers.collect(),
        }
    }
}

impl Telling<'_> {
    fn name(&self, device: DeviceId) -> String {
        match self.names.get(&device) {
            Some(name) if !name.is_empty() => (*name).to_owned(),
            _ => device.short(),
        }
    }

    fn here(&self, here: &Here) -> Reason {
        match here {
            Here::NotAdmitted => Reason::new(
                "not_admitted",
                "no member has let this device in yet",
                "keep a device that is a member up and connected; or ask for a new ticket: meshwork invite SPACE",
            ),
            Here::NoKey => Reason::new(
                "no_key",
                "this device is a member, and nobody has handed it the key yet",
                "a member that may write hands it over as soon as the two are connected",
            ),
            Here::Waits { author, entries, lacks, .. } => {
                let what = format!("{} written by {}", many(*entries), self.name(*author));
                self.lacks(&what, *entries, lacks)
            }
            other => Reason::new("other", format!("{other:?}"), "update meshwork"),
        }
    }

    fn lacks(&self, what: &str, entries: u64, lacks: &Lacks) -> Reason {
        match lacks {
            Lacks::Entry { log, seq, here, holders } => {
                let short = log.to_string().chars().take(8).collect::<String>();
                let names: Vec<String> = holders.iter().map(|one| self.name(*one)).collect();
                let (sentence, hint) = if *here {
                    (
                        format!(
                            "{what} cannot be shown before entry {seq} of log {short}, which waits itself"
                        ),
                        "see what that one waits for".to_owned(),
                    )
                } else {
                    let hint = match names.as_slice() {
                        [] => {
                            "connect with more members: nobody known to hold it is named".to_owned()
                        }
                        names => format!("connect with {}, who could have it", names.join(" or ")),
                    };
                    let sentence = format!(
                        "{what} cannot be shown before entry {seq} of log {short}, which is not here"
                    );
                    (sentence, hint)
                };
                Reason {
                    log: Some(log.to_string()),
                    seq: Some(*seq),
                    holders: holders.iter().map(ToString::to_string).collect(),
                    ..Reason::new("waits_for_entry", sentence, hint).entries(entries)
                }
            }
            _ => Reason::new(
                "waits_for_key",
                format!("{what} cannot be read: the key is not here"),
                "a member that may write hands it over as soon as the two are connected",
            )
            .entries(entries),
        }
    }

    fn cause(
        &self,
        peer: &meshwork_protocol::PeerWhy,
        cause: &Cause,
        attempt: Option<&Attempt>,
    ) -> Reason {
        let name = self.name(peer.device);
        let behind = many(peer.missing);
        let tried = attempt.map(tried);
        match cause {
            Cause::NeverMet => Reason::new(
                "never_met",
                format!("this device has never been connected with {name}; {behind} may be missing there"),
                tried.unwrap_or_else(|| {
                    "entries reach it by way of others; what it holds is known once it says so".to_owned()
                }),
            )
            .entries(peer.missing),
            Cause::NotConnected => {
                let seen = peer.last_seen.map_or_else(String::new, |at| {
                    format!(", last seen {}", ago(self.now.0.saturating_sub(at.0)))
                });
                let hint = tried
                    .unwrap_or_else(|| format!("start meshwork on {name} and bring it online"));
                Reason::new("not_connected", format!("{name} is not connected{seen}; it is {behind} behind"), hint)
                    .entries(peer.missing)
            }
            Cause::GreyListed { until, rejection } => Reason::new(
                "grey_listed",
                format!(
                    "{name} sent too much that was wrong ({rejection}) and is shut out for {} more",
                    span(until.0.saturating_sub(self.now.0))
                ),
                format!("update meshwork on {name}; it is let in again by itself"),
            ),
            Cause::Greeting => Reason::new(
                "greeting",
                format!("the link with {name} is up and it has not said what it shares yet"),
                "wait a moment; if it stays so, update meshwork there",
            ),
            linked => self.linked(&name, linked),
        }
    }

    /// What keeps apart two devices that are linked.
    fn linked(&self, name: &str, cause: &Cause) -> Reason {
        match cause {
            Cause::NotProven => Reason::new(
                "not_proven",
                format!("{name} is connected and does not share {} yet", self.space),
                format!("join there with a ticket: meshwork invite {}", self.space),
            ),
            Cause::UnknownThere => Reason::new(
                "unknown_there",
                format!("{name} does not know this device as a member"),
                "it has been sent the proof; if it stays so, connect it with the member that let this device in",
            ),
            Cause::UnknownHere => Reason::new(
                "unknown_here",
                format!("{name} knows the space and is no member as far as known here"),
                format!("invite it: meshwork invite {}", self.space),
            ),
            Cause::NoKey => Reason::new(
                "no_key_there",
                format!("nobody has handed {name} the newest key: it cannot read"),
                "a member that may write hands it over as soon as the two are connected",
            ),
            Cause::NotTold => Reason::new(
                "not_told",
                format!("{name} is connected and has not said what it holds yet"),
                "wait a moment: it is asked again every few seconds",
            ),
            Cause::InFlight { entries } => Reason::new(
                "in_flight",
                format!("{} on the way to {name}, which has not confirmed them", are(*entries)),
                "wait; what is not confirmed is sent again",
            )
            .entries(*entries),
            Cause::NoCredit => Reason::new(
                "no_credit",
                format!("{name} takes no more entries before it has dealt with those sent"),
                "wait; if it stays so, its disk or processor is busy",
            ),
            Cause::Lazy { entries } => Reason::new(
                "lazy",
                format!("{name} gets {} from others first", many(*entries)),
                "wait a moment: what is late is sent from here",
            )
            .entries(*entries),
            Cause::Parted { log } => Reason {
                log: Some(log.to_string()),
                ..Reason::new(
                    "parted",
                    format!(
                        "{name} holds other entries of a log: its author's disk was copied or restored"
                    ),
                    "nothing of that log is exchanged; its author should start anew from a ticket",
                )
            },
            Cause::Ahead { entries } => Reason::new(
                "ahead",
                format!("{name} holds {} that have not arrived here", many(*entries)),
                "wait: it sends them",
            )
            .entries(*entries),
            Cause::Rejected { rejection, times, at } => Reason::new(
                "rejected",
                format!(
                    "{name} sent {rejection}, {} refused so far, the last {}",
                    counted(*times, "frame", "frames"),
                    ago(self.now.0.saturating_sub(at.0))
                ),
                format!("if it goes on, update meshwork on {name}"),
            ),
            other => Reason::new("other", format!("{other:?}"), "update meshwork"),
        }
    }
}

/// Where a device was not reached.
fn tried(attempt: &Attempt) -> String {
    let places: Vec<String> = attempt.addresses.iter().map(ToString::to_string).collect();
    let places = if places.is_empty() { "no address".to_owned() } else { places.join(", ") };
    let times = counted(u64::from(attempt.times), "time", "times");
    format!("check that it is up; tried {places} {times}: {}", attempt.error)
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn many(entries: u64) -> String {
    counted(entries, "entry", "entries")
}

fn are(entries: u64) -> String {
    counted(entries, "entry is", "entries are")
}

/// How long something lasts, in the largest unit that says something.
fn span(ms: u64) -> String {
    let (number, one, many) = match ms / 1000 {
        seconds @ 0..60 => (seconds, "second", "seconds"),
        seconds @ 60..3600 => (seconds / 60, "minute", "minutes"),
        seconds @ 3600..86_400 => (seconds / 3600, "hour", "hours"),
        seconds => (seconds / 86_400, "day", "days"),
    };
    counted(number, one, many)
}

/// How long ago something was.
pub(crate) fn ago(ms: u64) -> String {
    if ms < 1000 { "just now".to_owned() } else { format!("{} ago", span(ms)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_says_something() {
        assert_eq!(ago(10), "just now");
        assert_eq!(ago(1_000), "1 second ago");
        assert_eq!(ago(119_000), "1 minute ago");
        assert_eq!(ago(7_200_000), "2 hours ago");
        assert_eq!(ago(200_000_000), "2 days ago");
    }
}
