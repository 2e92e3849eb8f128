//! `GET /v1/spaces/{space}/watch`: a space, followed over a WebSocket.
//!
//! The next update is computed only after the last one was taken, so a slow subscriber costs one message.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};

use super::types::{WatchMessage, WatchQuery};
use crate::failure::Failure;
use crate::space::{Space, Update};

/// A subscriber that takes nothing for this long is dropped.
const STALLED: Duration = Duration::from_secs(60);
/// Longest message a subscriber may send; none is expected.
pub(super) const INCOMING_BYTES_MAX: usize = 4096;

/// Sends updates until the subscriber leaves or the node stops.
pub(super) async fn follow(mut socket: WebSocket, space: Space, query: WatchQuery) {
    let mut watch = space.watch();
    loop {
        let update = tokio::select! {
            update = watch.next() => update,
            incoming = socket.recv() => match incoming {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => continue,
            },
        };
        let (message, last) = match update {
            Ok(Some(update)) => (message(update), false),
            Ok(None) => (WatchMessage::Failed { failure: Failure::stopped() }, true),
            Err(failure) => (WatchMessage::Failed { failure }, true),
        };
        let Some(message) = only(message, query.object.as_deref()) else { continue };
        let json = serde_json::to_string(&message).expect("a message is plain JSON");
        let sent = tokio::time::timeout(STALLED, socket.send(Message::text(json))).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

fn message(update: Update) -> WatchMessage {
    match update {
        Update::Snapshot(snapshot) => snapshot.into(),
        Update::Change(change) => change.into(),
        Update::Presence { device, name, value } => {
            WatchMessage::Presence { device: device.to_string(), name, value }
        }
    }
}

fn only(message: WatchMessage, wanted: Option<&str>) -> Option<WatchMessage> {
    let Some(wanted) = wanted else { return Some(message) };
    match message {
        WatchMessage::Snapshot { frontier, mut objects, .. } => {
            objects.retain(|object| object.object.name == wanted);
            Some(WatchMessage::Snapshot { frontier, objects, present: Vec::new() })
        }
        WatchMessage::Presence { .. } => None,
        WatchMessage::Change { ref object, .. } if object.object.name != wanted => None,
        other => Some(other),
    }
}
