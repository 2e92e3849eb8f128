//! `meshwork peers`.

use clap::Args;

use super::Context;
use super::terminal::{counted, table};
use crate::api::types::Peer;
use crate::failure::Result;

/// List the devices this one is connected with.
#[derive(Debug, Args)]
pub(super) struct Peers {}

impl Peers {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let peers: Vec<Peer> = context.client()?.get(&["peers"], "")?;
        if peers.is_empty() {
            context.terminal.talk("nobody is connected");
        }
        context.terminal.data(&peers, |peers| table(&peers.iter().map(row).collect::<Vec<_>>()))
    }
}

fn row(peer: &Peer) -> Vec<String> {
    vec![
        peer.device.clone(),
        peer.transport.clone(),
        peer.address.clone(),
        peer.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1} ms")),
        format!("{} shared", counted(peer.spaces.len() as u64, "space", "spaces")),
    ]
}
