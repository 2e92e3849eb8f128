//! The routes about the devices of this member.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use meshwork_protocol::{LinkCode, RootWord, SpaceId};

use super::routes::{Body, WAIT_MAX, space_status};
use super::types::{AddDevice, AwaitLinked, InSpaces, Linked, Name, OwnDevice, Revoke, ShownCode};
use crate::failure::{Failure, Result};
use crate::node::{JOIN_TIMEOUT, Node};

/// How long a new device waits for its spaces once it has been linked.
const READY: Duration = Duration::from_secs(30);

pub(super) fn router() -> Router<Node> {
    Router::new()
        .route("/devices", get(devices).post(add))
        .route("/devices/link", post(show_code))
        .route("/devices/linked", post(linked))
        .route("/devices/{device}/revoke", post(revoke))
        .route("/name", put(rename))
}

async fn devices(State(node): State<Node>) -> Result<Json<Vec<OwnDevice>>> {
    Ok(Json(node.devices().await?.into_iter().map(OwnDevice::from).collect()))
}

async fn show_code(State(node): State<Node>) -> Result<Json<ShownCode>> {
    Ok(Json(ShownCode::from(&node.show_link_code().await?)))
}

async fn linked(State(node): State<Node>, Body(wanted): Body<AwaitLinked>) -> Result<Json<Linked>> {
    let timeout = wanted.timeout_ms.map_or(WAIT_MAX, Duration::from_millis).min(WAIT_MAX);
    let by = node.linked(timeout).await?;
    node.spaces_ready(READY).await?;
    let mut spaces = Vec::new();
    for view in node.spaces().await? {
        if let Some(space) = node.space(view.id).await? {
            spaces.push(space_status(&space).await?);
        }
    }
    Ok(Json(Linked { member: node.member().to_string(), by: by.to_string(), spaces }))
}

async fn add(State(node): State<Node>, Body(wanted): Body<AddDevice>) -> Result<Json<InSpaces>> {
    let code: LinkCode = wanted.code.trim().parse()?;
    let timeout = wanted.timeout_ms.map_or(JOIN_TIMEOUT, Duration::from_millis).min(WAIT_MAX);
    let device = node.add_device(&code, timeout).await?;
    let spaces = node.spaces().await?.iter().map(|space| space.id.to_string()).collect();
    Ok(Json(InSpaces { device: device.to_string(), spaces }))
}

async fn rename(State(node): State<Node>, Body(wanted): Body<Name>) -> Result<Json<Name>> {
    node.rename(&wanted.name).await?;
    Ok(Json(wanted))
}

async fn revoke(
    State(node): State<Node>,
    Path(device): Path<String>,
    Body(wanted): Body<Revoke>,
) -> Result<Json<InSpaces>> {
    let device = node.resolve_own_device(&device).await?;
    let wrong = |error| Failure::usage(format!("the words of the root key: {error}"));
    let word = |(space, word): (String, String)| {
        Ok((space.parse::<SpaceId>().map_err(wrong)?, word.parse::<RootWord>().map_err(wrong)?))
    };
    let words: BTreeMap<_, _> = wanted.words.into_iter().map(word).collect::<Result<_>>()?;
    let spaces = node.revoke_device(device, &words).await?;
    let spaces = spaces.iter().map(ToString::to_string).collect();
    Ok(Json(InSpaces { device: device.to_string(), spaces }))
}
