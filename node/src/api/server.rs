//! The API's listener: bound to loopback, announced in `api.json`, closed with the node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::guard::Guard;
use super::routes;
use super::types::Endpoint;
use crate::failure::{Failure, Result};
use crate::files;
use crate::node::Node;

/// Name of the file in the data directory that says where the API is.
pub(crate) const ENDPOINT_FILE: &str = "api.json";
const TOKEN_BYTES: usize = 32;
/// How long open requests may take when the node stops.
const DRAIN: Duration = Duration::from_secs(2);

/// The running API.
pub(crate) struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    file: PathBuf,
}

impl Server {
    /// Binds `address` and serves `node`.
    ///
    /// # Errors
    /// `FailureKind::Network` if the address cannot be used, `FailureKind::Config` if it is not
    /// loopback, `FailureKind::Storage` if `api.json` cannot be written.
    pub(crate) async fn start(node: Node, address: SocketAddr) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(Failure::config(format!("api: {address} is not a loopback address"))
                .hint("the API is for this machine only: 127.0.0.1:PORT"));
        }
        let failed = |error: std::io::Error| {
            Failure::network(format!("cannot serve the API on {address}: {error}"))
                .hint("choose another --api address, or port 0 for a free one")
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let token = new_token()?;
        let endpoint = Endpoint { address, token: token.clone(), pid: std::process::id() };
        let json = serde_json::to_vec_pretty(&endpoint).expect("an endpoint is plain JSON");
        let file = node.data_dir().join(ENDPOINT_FILE);
        files::write_private(&file, &json)?;
        node.announce(endpoint);
        let router = routes::router(node, Arc::new(Guard::new(&token, address.port())));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let asked = async {
                // A dropped sender asks to stop just as well.
                let _ = stopped.await;
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(asked).await;
            if let Err(error) = served {
                tracing::error!(%error, "the API has stopped");
            }
        });
        Ok(Self { stop, task, file })
    }

    /// Stops accepting, lets open requests end for a moment, and removes `api.json`.
    pub(crate) async fn stop(mut self) {
        if self.stop.send(()).is_err() {
            tracing::debug!("the API had stopped before");
        }
        if tokio::time::timeout(DRAIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::debug!(%error, "api.json was gone before");
        }
    }
}

fn new_token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::internal(format!("no random numbers: {error}")))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}
