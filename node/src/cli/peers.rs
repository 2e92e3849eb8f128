//! `meshwork peers`.

use clap::Args;

use super::Context;
use super::terminal::{counted, table};
use crate::api::types::Peer;
use crate::failure::Result;

/// List the devices this one is connected with, or was since it started.
#[derive(Debug, Args)]
pub(super) struct Peers {}

impl Peers {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let peers: Vec<Peer> = context.client()?.get(&["peers"], "")?;
        if !peers.iter().any(|peer| peer.connected) {
            context.terminal.talk("nobody is connected");
        }
        context.terminal.data(&peers, |peers| table(&peers.iter().map(row).collect::<Vec<_>>()))
    }
}

fn row(peer: &Peer) -> Vec<String> {
    if !peer.connected {
        return vec![peer.device.clone(), absent(peer)];
    }
    vec![
        peer.device.clone(),
        peer.transport.clone(),
        peer.address.clone(),
        peer.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1} ms")),
        format!("{} shared", counted(peer.spaces.len() as u64, "space", "spaces")),
    ]
}

fn absent(peer: &Peer) -> String {
    match (&peer.grey_for, peer.grey_until_ms) {
        (Some(what), Some(until)) => {
            let left = until.saturating_sub(crate::clock::now().0) / 1000;
            format!("shut out for {left} s more: it sent {what}")
        }
        _ => "not connected".to_owned(),
    }
}
