//! Peers that the local network shows: they are dialled, and the host hears of them.
//!
//! In: mDNS events, which anyone nearby can forge. Out: targets to dial. Invariant: an address that
//! expires ends no connection.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId, mdns};

use super::Driver;
use crate::network::{NetworkEvent, PeerKey, without_peer};

/// How long the side with the larger id leaves it to the other to dial, after both have discovered.
const DISCOVERED_WAIT: Duration = Duration::from_millis(300);
impl Driver {
    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                let mut peers: HashMap<PeerId, Vec<Multiaddr>> = HashMap::new();
                for (peer, address) in found {
                    peers.entry(peer).or_default().push(without_peer(address));
                }
                for (peer, addresses) in peers {
                    self.on_discovered(peer, addresses);
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    self.targets.unsee(peer, &without_peer(address));
                }
            }
        }
    }

    fn on_discovered(&mut self, id: PeerId, addresses: Vec<Multiaddr>) {
        let Some(peer) = PeerKey::of(&id).filter(|_| id != self.own) else { return };
        let wait = if self.own < id { Duration::ZERO } else { DISCOVERED_WAIT };
        let due = Instant::now() + wait;
        let mut noted = true;
        for address in &addresses {
            noted &= self.targets.see(id, address.clone(), due);
        }
        tracing::debug!(peer = %id, ?addresses, noted, "discovered");
        if self.events.try_send(NetworkEvent::Discovered { peer, addresses }).is_err() {
            tracing::debug!(peer = %id, "the host is too busy to hear of a discovery");
        }
    }
}
