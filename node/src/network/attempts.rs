//! What became of the latest dials of peers that are not connected: for whoever asks why.
//!
//! In: failed dials, connections. Out: addresses that were tried, and what went wrong last. Bounded by the
//! number of targets there can be.

use std::collections::HashMap;

use libp2p::Multiaddr;
use libp2p::swarm::DialError;

use super::PeerKey;
use super::targets::{ADDRESSES_MAX, ASKED_MAX, DISCOVERED_MAX};

/// A dial that failed.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Where the peer was not reached.
    pub addresses: Vec<Multiaddr>,
    /// What went wrong, at the first of them.
    pub error: String,
    /// Dials in a row that failed.
    pub times: u32,
}

/// The latest failed dial of each peer.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<PeerKey, Attempt>);

impl Attempts {
    /// Notes that a dial of `peer` failed.
    pub(super) fn failed(&mut self, peer: PeerKey, error: &DialError) {
        if !self.0.contains_key(&peer) && self.0.len() >= ASKED_MAX + DISCOVERED_MAX {
            return;
        }
        let (addresses, error) = match error {
            DialError::Transport(failures) => {
                let addresses =
                    failures.iter().map(|(address, _)| super::without_peer(address.clone()));
                let first = failures.first().map(|(_, error)| innermost(error));
                (addresses.take(2 * ADDRESSES_MAX).collect(), first.unwrap_or_default())
            }
            DialError::WrongPeerId { address, .. } => {
                let address = super::without_peer(address.clone());
                (vec![address], "another device answers there".to_owned())
            }
            other => (Vec::new(), innermost(other)),
        };
        let times = self.0.get(&peer).map_or(0, |attempt| attempt.times).saturating_add(1);
        self.0.insert(peer, Attempt { addresses, error, times });
    }

    /// Notes that `peer` is connected, or is not dialled any more.
    pub(super) fn over(&mut self, peer: PeerKey) {
        self.0.remove(&peer);
    }

    /// The latest failed dial of `peer`, if it is not connected.
    pub(super) fn of(&self, peer: PeerKey) -> Option<Attempt> {
        self.0.get(&peer).cloned()
    }
}

/// What an error says at its very source, without the layers around it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
