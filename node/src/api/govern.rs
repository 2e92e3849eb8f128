//! The routes about who belongs to a space.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};

use super::routes::{Body, space_status};
use super::types::{
    Adopt, Adopted, InviteState, KeepHistory, MakeCheckpoint, Member, Quarantined, SetRole,
    SpaceStatus,
};
use crate::failure::Result;
use crate::node::Node;

pub(super) fn router() -> Router<Node> {
    Router::new()
        .route("/spaces/{space}/members", get(members))
        .route("/spaces/{space}/members/{member}", delete(remove_member))
        .route("/spaces/{space}/members/{member}/role", put(set_role))
        .route("/spaces/{space}/devices/{device}", delete(remove_device))
        .route("/spaces/{space}/invites/{invite}", delete(revoke_invite))
        .route("/spaces/{space}/leave", post(leave))
        .route("/spaces/{space}/quarantine", get(quarantine).post(adopt))
        .route("/spaces/{space}/checkpoint", post(checkpoint))
        .route("/spaces/{space}/history", put(keep_history))
}

async fn listed(space: &crate::space::Space) -> Result<Json<Vec<Member>>> {
    Ok(Json(space.members().await?.into_iter().map(Member::from).collect()))
}

async fn members(State(node): State<Node>, Path(space): Path<String>) -> Result<Json<Vec<Member>>> {
    listed(&node.resolve(&space).await?).await
}

async fn set_role(
    State(node): State<Node>,
    Path((space, member)): Path<(String, String)>,
    Body(wanted): Body<SetRole>,
) -> Result<Json<Vec<Member>>> {
    let space = node.resolve(&space).await?;
    space.set_role(space.resolve_member(&member).await?, wanted.role).await?;
    listed(&space).await
}

async fn remove_member(
    State(node): State<Node>,
    Path((space, member)): Path<(String, String)>,
) -> Result<Json<Vec<Member>>> {
    let space = node.resolve(&space).await?;
    space.remove_member(space.resolve_member(&member).await?).await?;
    listed(&space).await
}

async fn remove_device(
    State(node): State<Node>,
    Path((space, device)): Path<(String, String)>,
) -> Result<Json<Vec<Member>>> {
    let space = node.resolve(&space).await?;
    space.remove_device(space.resolve_device(&device).await?).await?;
    listed(&space).await
}

async fn checkpoint(
    State(node): State<Node>,
    Path(space): Path<String>,
    Body(wanted): Body<MakeCheckpoint>,
) -> Result<Json<SpaceStatus>> {
    let space = node.resolve(&space).await?;
    space.checkpoint(wanted.away_ms.map(Duration::from_millis)).await?;
    Ok(Json(space_status(&space).await?))
}

async fn keep_history(
    State(node): State<Node>,
    Path(space): Path<String>,
    Body(wanted): Body<KeepHistory>,
) -> Result<Json<SpaceStatus>> {
    let space = node.resolve(&space).await?;
    space.keep_history(wanted.keep).await?;
    Ok(Json(space_status(&space).await?))
}

async fn leave(State(node): State<Node>, Path(space): Path<String>) -> Result<Json<SpaceStatus>> {
    let space = node.resolve(&space).await?;
    space.leave().await?;
    Ok(Json(space_status(&space).await?))
}

async fn invited(space: &crate::space::Space) -> Result<Json<Vec<InviteState>>> {
    Ok(Json(space.invites().await?.into_iter().map(InviteState::from).collect()))
}

pub(super) async fn invites(
    State(node): State<Node>,
    Path(space): Path<String>,
) -> Result<Json<Vec<InviteState>>> {
    invited(&node.resolve(&space).await?).await
}

async fn revoke_invite(
    State(node): State<Node>,
    Path((space, invite)): Path<(String, String)>,
) -> Result<Json<Vec<InviteState>>> {
    let space = node.resolve(&space).await?;
    space.revoke_invite(space.resolve_invite(&invite).await?).await?;
    invited(&space).await
}

async fn quarantine(
    State(node): State<Node>,
    Path(space): Path<String>,
) -> Result<Json<Vec<Quarantined>>> {
    let held = node.resolve(&space).await?.quarantine().await?;
    Ok(Json(held.into_iter().map(Quarantined::from).collect()))
}

async fn adopt(
    State(node): State<Node>,
    Path(space): Path<String>,
    Body(wanted): Body<Adopt>,
) -> Result<Json<Adopted>> {
    let space = node.resolve(&space).await?;
    let device = space.resolve_quarantined(&wanted.device).await?;
    let entries = space.adopt(device).await?;
    Ok(Json(Adopted { device: device.to_string(), entries }))
}
