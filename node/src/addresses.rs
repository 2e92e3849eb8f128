//! Where peers were reached before, so that a restarted node finds them again, and the ports this node
//! had, so that they find it.
//!
//! Data in: links that proved a shared space, addresses in tickets. Data out: addresses to dial. The file
//! is a cache: if it is damaged the node starts without it. Every list is bounded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use meshwork_protocol::DeviceId;
use meshwork_protocol::limits::TICKET_ADDRESSES_MAX;
use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::files;

const FILE: &str = "peers.json";
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const PEERS_MAX: usize = 256;
const ADDRESSES_PER_PEER_MAX: usize = 8;
const LISTEN_MAX: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Book {
    /// What was asked for, and what that became.
    listen: BTreeMap<Multiaddr, Multiaddr>,
    /// Most recently useful address first.
    peers: BTreeMap<String, Vec<Multiaddr>>,
}

/// The remembered addresses of one data directory.
#[derive(Debug)]
pub(crate) struct AddressBook {
    path: PathBuf,
    book: Mutex<Book>,
}

impl AddressBook {
    /// Reads the book in `data_dir`; an unreadable one counts as empty.
    pub(crate) fn open(data_dir: &std::path::Path) -> Self {
        let path = data_dir.join(FILE);
        let content = files::read_bounded(&path, FILE_BYTES_MAX);
        let book = match content.map(|content| content.map(|json| serde_json::from_slice(&json))) {
            Ok(None) => Book::default(),
            Ok(Some(Ok(book))) => book,
            Ok(Some(Err(error))) => {
                tracing::warn!(path = %path.display(), %error, "starting without known addresses");
                Book::default()
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "starting without known addresses");
                Book::default()
            }
        };
        Self { path, book: Mutex::new(book) }
    }

    /// All addresses worth dialling, each ending in the peer it leads to.
    pub(crate) fn known(&self) -> Vec<Multiaddr> {
        self.lock().peers.values().flatten().cloned().collect()
    }

    /// Where `peer` was reached, each ending in it.
    pub(crate) fn of(&self, peer: DeviceId) -> Vec<Multiaddr> {
        self.lock().peers.get(&peer.to_string()).cloned().unwrap_or_default()
    }

    /// Puts addresses of `peer` first; `true` if the book has changed.
    pub(crate) fn remember(&self, peer: DeviceId, addresses: &[Multiaddr]) -> bool {
        let mut book = self.lock();
        let before = book.clone();
        let key = peer.to_string();
        if !book.peers.contains_key(&key) && book.peers.len() >= PEERS_MAX {
            return false;
        }
        let known = book.peers.entry(key).or_default();
        for address in addresses.iter().rev() {
            let address = leading_to(address.clone(), peer);
            known.retain(|other| *other != address);
            known.insert(0, address);
        }
        known.truncate(ADDRESSES_PER_PEER_MAX);
        *book != before
    }

    /// Drops what is known of `peer`; `true` if the book has changed.
    pub(crate) fn forget(&self, peer: DeviceId) -> bool {
        self.lock().peers.remove(&peer.to_string()).is_some()
    }

    /// The address to ask for, given what the user wants: port 0 becomes the port it became last time.
    pub(crate) fn last_listen(&self, wanted: &Multiaddr) -> Multiaddr {
        self.lock().listen.get(wanted).cloned().unwrap_or_else(|| wanted.clone())
    }

    /// Notes what the wanted addresses became, judging by what the network now listens on; `true` if
    /// the book has changed.
    pub(crate) fn note_listen(&self, wanted: &[Multiaddr], listening: &[Multiaddr]) -> bool {
        let mut book = self.lock();
        let before = book.listen.clone();
        for want in wanted.iter().take(LISTEN_MAX).filter(|want| port(want) == Some(0)) {
            let became = listening.iter().find(|one| same_transport(want, one));
            if let Some(port) = became.and_then(port) {
                book.listen.insert(want.clone(), with_port(want, port));
            }
        }
        book.listen.retain(|want, _| wanted.contains(want));
        book.listen != before
    }

    /// Writes the book to its file.
    ///
    /// # Errors
    /// [`FailureKind::Storage`](crate::FailureKind::Storage).
    pub(crate) fn save(&self) -> Result<()> {
        let json = serde_json::to_vec_pretty(&*self.lock()).expect("a book is plain JSON");
        files::write_private(&self.path, &json)
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics while it holds the book")
    }
}

/// `address`, ending in the peer it is to lead to.
pub(crate) fn leading_to(address: Multiaddr, peer: DeviceId) -> Multiaddr {
    let Ok(key) = libp2p::identity::ed25519::PublicKey::try_from_bytes(&peer.0) else {
        return address;
    };
    let id = libp2p::identity::PublicKey::from(key).to_peer_id();
    match address.iter().last() {
        Some(Protocol::P2p(_)) => address,
        _ => address.with(Protocol::P2p(id)),
    }
}

/// What a node tells others of where it is: what it was told to say, or else where it listens.
pub(crate) fn own(
    advertise: &[Multiaddr],
    listening: Vec<Multiaddr>,
    device: DeviceId,
) -> Vec<Multiaddr> {
    let mut own = if advertise.is_empty() { worth_telling(listening) } else { advertise.to_vec() };
    own.truncate(TICKET_ADDRESSES_MAX);
    own.into_iter().map(|address| leading_to(address, device)).collect()
}

/// Which of the node's own addresses to put into a ticket: those others can use, best first.
pub(crate) fn worth_telling(listening: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let link_local = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip6(ip)) => ip.is_unicast_link_local(),
        Some(Protocol::Ip4(ip)) => ip.is_link_local(),
        _ => false,
    };
    let loopback = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        _ => false,
    };
    let (local, remote): (Vec<_>, Vec<_>) =
        listening.into_iter().filter(|address| !link_local(address)).partition(loopback);
    if remote.is_empty() { local } else { remote }
}

fn port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

fn with_port(address: &Multiaddr, port: u16) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(port),
            Protocol::Udp(_) => Protocol::Udp(port),
            other => other,
        })
        .collect()
}

fn same_transport(wanted: &Multiaddr, listening: &Multiaddr) -> bool {
    let kinds = |address: &Multiaddr| -> Vec<&'static str> {
        address.iter().map(|part| part.tag()).filter(|tag| *tag != "p2p").collect()
    };
    let unspecified = wanted.iter().next().is_some_and(|first| match first {
        Protocol::Ip4(ip) => ip.is_unspecified(),
        Protocol::Ip6(ip) => ip.is_unspecified(),
        _ => false,
    });
    kinds(wanted) == kinds(listening)
        && (unspecified || wanted.iter().next() == listening.iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_free_port_is_asked_for_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = [address("/ip4/0.0.0.0/tcp/0"), address("/ip4/0.0.0.0/udp/0/quic-v1")];
        let listening =
            [address("/ip4/192.168.1.5/udp/700/quic-v1"), address("/ip4/192.168.1.5/tcp/600")];
        let book = AddressBook::open(dir.path());
        assert!(book.note_listen(&wanted, &listening));
        book.save().unwrap();
        let book = AddressBook::open(dir.path());
        assert_eq!(book.last_listen(&wanted[0]), address("/ip4/0.0.0.0/tcp/600"));
        assert_eq!(book.last_listen(&wanted[1]), address("/ip4/0.0.0.0/udp/700/quic-v1"));
        assert!(!book.note_listen(&wanted, &listening));
    }

    #[test]
    fn the_latest_address_comes_first_and_the_list_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let book = AddressBook::open(dir.path());
        let key = libp2p::identity::ed25519::Keypair::generate().public().to_bytes();
        let peer = DeviceId(key);
        for port in 1..=20 {
            assert!(book.remember(peer, &[address(&format!("/ip4/10.0.0.1/tcp/{port}"))]));
        }
        let known = book.known();
        assert_eq!(known.len(), ADDRESSES_PER_PEER_MAX);
        assert!(known[0].to_string().starts_with("/ip4/10.0.0.1/tcp/20/p2p/"));
        assert!(!book.remember(peer, &[known[0].clone()]));
    }

    #[test]
    fn a_damaged_book_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"{\"peers\": 7").unwrap();
        assert!(AddressBook::open(dir.path()).known().is_empty());
    }

    #[test]
    fn tickets_name_loopback_only_when_there_is_nothing_else() {
        let loopback = address("/ip4/127.0.0.1/tcp/1");
        let lan = address("/ip4/192.168.1.5/tcp/1");
        let link_local = address("/ip6/fe80::1/tcp/1");
        let all = vec![loopback.clone(), link_local.clone(), lan.clone()];
        assert_eq!(worth_telling(all), [lan]);
        assert_eq!(worth_telling(vec![link_local, loopback.clone()]), [loopback]);
    }
}
