//! The routes of the API: parse, call the embedding API, answer JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Request, State, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt as _;
use meshwork_crdt::{Kind, Object};
use meshwork_protocol::{LogView, ObjectEdit, SpaceView, Ticket};
use serde::de::DeserializeOwned;

use super::govern;
use super::guard::{Guard, require_own_origin, require_token};
use super::linking;
use super::types::{
    CreateSpace, Digest, Edited, Edits, Explanation, Invite, Invited, Join, ObjectQuery,
    ObjectSummary, ObjectValue, Online, Peer, Presence, Present, PutObject, Receipts, ShareFolder,
    SpaceStatus, Status, Waiting, WatchQuery, Why,
};
use super::watch;
use crate::failure::{Failure, Result};
use crate::node::{Invitation, JOIN_TIMEOUT, Node};
use crate::share::ShareStatus;
use crate::space::{Put, Receipt, Space, TextBase, no_object, no_place};

/// Longest request body.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How much of a body that is too long is still read before the answer.
const BODY_BYTES_DRAINED: usize = 8 * BODY_BYTES_MAX;
/// Longest wait a request may ask for.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long to wait for other devices unless told otherwise.
const WAIT: Duration = Duration::from_secs(30);

pub(super) fn router(node: Node, guard: Arc<Guard>) -> Router {
    let v1 = Router::new()
        .route("/status", get(status))
        .route("/peers", get(peers))
        .route("/why", get(why_all))
        .route("/online", post(set_online))
        .route("/shutdown", post(shutdown))
        .route("/joins", post(join))
        .route("/shares", get(shares).post(share))
        .route("/spaces", get(spaces).post(create_space))
        .route("/spaces/{space}", get(space))
        .route("/spaces/{space}/invites", get(govern::invites).post(invite))
        .route("/spaces/{space}/receipts", get(receipts))
        .route("/spaces/{space}/why", get(why))
        .route("/spaces/{space}/presence", get(presences).put(present).delete(absent))
        .route("/spaces/{space}/digest", get(digest))
        .route("/spaces/{space}/edits", post(edit))
        .route("/spaces/{space}/watch", get(follow))
        .route("/spaces/{space}/explain/{*name}", get(explain))
        .route("/spaces/{space}/objects", get(objects))
        .route("/spaces/{space}/objects/{*name}", get(object).put(put_object).delete(delete_object))
        .merge(govern::router())
        .merge(linking::router())
        .layer(from_fn_with_state(guard.clone(), require_token));
    Router::new()
        .route("/", get(dashboard))
        .route("/healthz", get(healthy))
        .nest("/v1", v1)
        .fallback(no_route)
        .layer(from_fn_with_state(guard, require_own_origin))
        .with_state(node)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind.http_status())
            .expect("the table of failures holds valid status codes");
        (status, Json(self)).into_response()
    }
}

/// A JSON body; a wrong one is a usage failure.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let bytes = read_whole(request).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes)
            .map(Self)
            .map_err(|error| Failure::usage(format!("the request body: {error}")))
    }
}

/// The body of a request. One that is too long is read to its end and dropped, within a limit: a client that
/// is still sending would find the connection closed instead of the answer.
async fn read_whole(request: Request) -> Result<Vec<u8>> {
    let mut chunks = request.into_body().into_data_stream();
    let (mut body, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Failure::usage(format!("the request body: {error}")))?;
        length = length.saturating_add(chunk.len());
        if length > BODY_BYTES_DRAINED {
            break;
        }
        if length > BODY_BYTES_MAX {
            body = Vec::new();
        } else {
            body.extend_from_slice(&chunk);
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the request body is longer than {BODY_BYTES_MAX} bytes"
        )));
    }
    Ok(body)
}

/// A query string; a wrong one is a usage failure.
struct Query<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| Failure::usage(format!("the query: {}", error.body_text())))
    }
}

async fn no_route() -> Failure {
    Failure::not_found("there is no such route")
}

async fn healthy() -> &'static str {
    "ok\n"
}

async fn dashboard() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                  connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, include_str!("dashboard.html"))
}

async fn status(State(node): State<Node>) -> Result<Json<Status>> {
    Ok(Json(node.status().await?))
}

async fn peers(State(node): State<Node>) -> Result<Json<Vec<Peer>>> {
    Ok(Json(node.peers().await?))
}

async fn set_online(State(node): State<Node>, Body(wanted): Body<Online>) -> Json<Online> {
    node.set_online(wanted.online).await;
    Json(wanted)
}

async fn shares(State(node): State<Node>) -> Json<Vec<ShareStatus>> {
    Json(node.shares().status())
}

async fn share(
    State(node): State<Node>,
    Body(wanted): Body<ShareFolder>,
) -> Result<Json<ShareStatus>> {
    let space = node.resolve(&wanted.space).await?;
    Ok(Json(node.share(&space, &wanted.dir).await?))
}

async fn shutdown(State(node): State<Node>) -> StatusCode {
    node.request_stop();
    StatusCode::ACCEPTED
}

async fn spaces(State(node): State<Node>) -> Result<Json<Vec<SpaceStatus>>> {
    Ok(Json(node.status().await?.spaces))
}

async fn space(State(node): State<Node>, Path(space): Path<String>) -> Result<Json<SpaceStatus>> {
    let space = node.resolve(&space).await?;
    Ok(Json(space_status(&space).await?))
}

pub(super) async fn space_status(space: &Space) -> Result<SpaceStatus> {
    let view: SpaceView = space.view().await?;
    Ok(SpaceStatus::new(&view, &space.members().await?))
}

async fn create_space(
    State(node): State<Node>,
    Body(wanted): Body<CreateSpace>,
) -> Result<(StatusCode, Json<SpaceStatus>)> {
    let space = node.create_space_with(&wanted.name, wanted.history).await?;
    Ok((StatusCode::CREATED, Json(space_status(&space).await?)))
}

async fn invite(
    State(node): State<Node>,
    Path(space): Path<String>,
    Body(wanted): Body<Invite>,
) -> Result<(StatusCode, Json<Invited>)> {
    let space = node.resolve(&space).await?;
    let default = Invitation::default();
    let ticket = space
        .invite(Invitation {
            role: wanted.role.unwrap_or(default.role),
            lifetime: wanted.lifetime_ms.map_or(default.lifetime, Duration::from_millis),
            uses: wanted.uses.unwrap_or(default.uses),
        })
        .await?;
    let invited = Invited {
        ticket: ticket.to_string(),
        space: ticket.space.to_string(),
        role: ticket.role,
        expires_ms: ticket.expires.0,
    };
    Ok((StatusCode::CREATED, Json(invited)))
}

async fn join(State(node): State<Node>, Body(wanted): Body<Join>) -> Result<Json<SpaceStatus>> {
    let ticket: Ticket = wanted.ticket.trim().parse()?;
    let timeout = wanted.timeout_ms.map_or(JOIN_TIMEOUT, Duration::from_millis).min(WAIT_MAX);
    let space = node.join(&ticket, timeout).await?;
    Ok(Json(space_status(&space).await?))
}

async fn receipts(State(node): State<Node>, Path(space): Path<String>) -> Result<Json<Receipts>> {
    Ok(Json(node.resolve(&space).await?.receipts().await?.into()))
}

async fn why(State(node): State<Node>, Path(space): Path<String>) -> Result<Json<Why>> {
    let space = node.resolve(&space).await?;
    Ok(Json(space.why().await?))
}

async fn why_all(State(node): State<Node>) -> Result<Json<Vec<Why>>> {
    let mut told = Vec::new();
    for view in node.spaces().await? {
        if let Some(space) = node.space(view.id).await? {
            told.push(space.why().await?);
        }
    }
    Ok(Json(told))
}

async fn presences(
    State(node): State<Node>,
    Path(space): Path<String>,
) -> Result<Json<Vec<Presence>>> {
    let present = node.resolve(&space).await?.presences().await?;
    Ok(Json(present.into_iter().map(Presence::from).collect()))
}

async fn present(
    State(node): State<Node>,
    Path(space): Path<String>,
    Body(wanted): Body<Present>,
) -> Result<Json<Vec<Presence>>> {
    node.resolve(&space).await?.present(wanted.value).await?;
    presences(State(node), Path(space)).await
}

async fn absent(
    State(node): State<Node>,
    Path(space): Path<String>,
) -> Result<Json<Vec<Presence>>> {
    node.resolve(&space).await?.absent().await?;
    presences(State(node), Path(space)).await
}

async fn digest(State(node): State<Node>, Path(space): Path<String>) -> Result<Json<Digest>> {
    let digest = node.resolve(&space).await?.digest().await?;
    Ok(Json(Digest { digest: data_encoding::HEXLOWER.encode(&digest) }))
}

async fn objects(
    State(node): State<Node>,
    Path(space): Path<String>,
) -> Result<Json<Vec<ObjectSummary>>> {
    let objects = node.resolve(&space).await?.objects().await?;
    Ok(Json(objects.iter().map(ObjectSummary::from).collect()))
}

async fn object(
    State(node): State<Node>,
    Path((space, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
) -> Result<Json<ObjectValue>> {
    let space = node.resolve(&space).await?;
    let view = space.find(&name).await?.ok_or_else(|| no_object(&name))?;
    let with_base = query.base && view.shape.kind() == Kind::Text;
    let place = query.at.clone();
    let look = move |object: &Object| {
        let base = with_base
            .then(|| object.as_text().map(|text| TextBase { spans: text.spans() }))
            .flatten();
        (object.value_at(&place), base)
    };
    let (value, base) = space.read(view.id, look).await?.ok_or_else(|| no_object(&name))?;
    let value = value.ok_or_else(|| no_place(&name, &query.at))?;
    Ok(Json(ObjectValue { object: (&view).into(), value, base }))
}

async fn explain(
    State(node): State<Node>,
    Path((space, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
) -> Result<Json<Explanation>> {
    let space = node.resolve(&space).await?;
    let view = space.find(&name).await?.ok_or_else(|| no_object(&name))?;
    let place = query.at.clone();
    let explanation = space.read(view.id, move |object| object.explain(&place)).await?;
    let explanation = explanation.flatten().ok_or_else(|| no_place(&name, &query.at))?;
    let members = space.members().await?;
    let names: BTreeMap<_, _> =
        members.into_iter().map(|member| (member.device, member.name)).collect();
    let writer = |log: &LogView| Some((log.log, names.get(&log.device)?.clone()));
    let writers: BTreeMap<_, _> = space.view().await?.logs.iter().filter_map(writer).collect();
    Ok(Json(Explanation::new(explanation, &writers)))
}

async fn put_object(
    State(node): State<Node>,
    Path((space, name)): Path<(String, String)>,
    Body(wanted): Body<PutObject>,
) -> Result<Json<Edited>> {
    let space = node.resolve(&space).await?;
    let mut put = Put::new(wanted.value).at(wanted.at);
    if let Some(shape) = wanted.shape {
        put = put.shape(shape);
    }
    if let Some(base) = wanted.base {
        put = put.base(base);
    }
    let receipt = space.put(&name, put).await?;
    held(&space, &receipt, wanted.wait).await
}

async fn delete_object(
    State(node): State<Node>,
    Path((space, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
) -> Result<Json<Edited>> {
    let space = node.resolve(&space).await?;
    let receipt = space.delete(&name, &query.at).await?;
    held(&space, &receipt, Waiting::default()).await
}

async fn edit(
    State(node): State<Node>,
    Path(space): Path<String>,
    Body(wanted): Body<Edits>,
) -> Result<Json<Edited>> {
    let space = node.resolve(&space).await?;
    let edits: Vec<ObjectEdit> =
        wanted.edits.into_iter().map(ObjectEdit::try_from).collect::<Result<_>>()?;
    let receipt = space.edit(edits).await?;
    held(&space, &receipt, wanted.wait).await
}

async fn held(space: &Space, receipt: &Receipt, wait: Waiting) -> Result<Json<Edited>> {
    let devices = wait.devices.unwrap_or(1).max(1);
    let holders = if devices == 1 {
        vec![space.node().device()]
    } else {
        let timeout = wait.timeout_ms.map_or(WAIT, Duration::from_millis).min(WAIT_MAX);
        space.wait_acked(receipt, devices, timeout).await?
    };
    Ok(Json(Edited::new(receipt, &holders)))
}

async fn follow(
    State(node): State<Node>,
    Path(space): Path<String>,
    Query(query): Query<WatchQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    let space = node.resolve(&space).await?;
    Ok(upgrade
        .max_message_size(watch::INCOMING_BYTES_MAX)
        .max_frame_size(watch::INCOMING_BYTES_MAX)
        .on_upgrade(move |socket| watch::follow(socket, space, query)))
}
