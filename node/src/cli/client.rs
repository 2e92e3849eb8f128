//! Talking to the daemon of a data directory.
//!
//! Data in: paths and bodies. Data out: answers, or the daemon's own failure. Proxies are never used: the
//! daemon is on loopback.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::api::server::ENDPOINT_FILE;
use crate::api::types::{Endpoint, WatchMessage};
use crate::failure::{Failure, FailureKind, Result};
use crate::files;

const ENDPOINT_BYTES_MAX: u64 = 64 * 1024;
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a request may take beyond the time it asks the daemon to wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon.
pub(super) struct Client {
    agent: ureq::Agent,
    endpoint: Endpoint,
    data_dir: String,
}

impl Client {
    /// Finds the daemon of `data_dir`.
    pub(super) fn connect(data_dir: &Path) -> Result<Self> {
        let shown = data_dir.display().to_string();
        let content = match files::read_bounded(&data_dir.join(ENDPOINT_FILE), ENDPOINT_BYTES_MAX) {
            Ok(Some(content)) => content,
            Ok(None) => return Err(not_running(&shown)),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(not_running(&shown));
            }
            Err(error) => {
                return Err(Failure::storage(format!(
                    "cannot read {ENDPOINT_FILE} in {shown}: {error}"
                )));
            }
        };
        let endpoint = serde_json::from_slice(&content)
            .map_err(|error| Failure::storage(format!("{ENDPOINT_FILE} in {shown}: {error}")))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .build()
            .new_agent();
        Ok(Self { agent, endpoint, data_dir: shown })
    }

    /// `GET` of the path made of `segments`.
    pub(super) fn get<T: DeserializeOwned>(&self, segments: &[&str], query: &str) -> Result<T> {
        self.read(self.send("GET", segments, query, None, Duration::ZERO)?)
    }

    /// `DELETE` of the path made of `segments`.
    pub(super) fn delete<T: DeserializeOwned>(&self, segments: &[&str], query: &str) -> Result<T> {
        self.read(self.send("DELETE", segments, query, None, Duration::ZERO)?)
    }

    /// `POST` to the path made of `segments`; the daemon may take `wait`.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
        wait: Duration,
    ) -> Result<T> {
        self.read(self.send("POST", segments, "", Some(to_json(body)), wait)?)
    }

    /// `PUT` to the path made of `segments`; the daemon may take `wait`.
    pub(super) fn put<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
        wait: Duration,
    ) -> Result<T> {
        self.read(self.send("PUT", segments, "", Some(to_json(body)), wait)?)
    }

    /// `POST` without an answer.
    pub(super) fn command(&self, segments: &[&str]) -> Result<()> {
        let body = Some(b"{}".to_vec());
        self.checked(self.send("POST", segments, "", body, Duration::ZERO)?).map(|_| ())
    }

    /// Where the daemon can be talked to.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn send(
        &self,
        method: &str,
        segments: &[&str],
        query: &str,
        body: Option<Vec<u8>>,
        wait: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{}{query}", self.endpoint.address, path(segments)))
            .header("authorization", format!("Bearer {}", self.endpoint.token))
            .header("content-type", "application/json");
        let timeout = wait.saturating_add(PATIENCE);
        let answer = match body {
            Some(body) => {
                let request = request.body(body).map_err(|error| bad_request(&error))?;
                let request = self.agent.configure_request(request);
                self.agent.run(request.timeout_global(Some(timeout)).build())
            }
            None => {
                let request = request.body(()).map_err(|error| bad_request(&error))?;
                let request = self.agent.configure_request(request);
                self.agent.run(request.timeout_global(Some(timeout)).build())
            }
        };
        answer.map_err(|error| match error {
            ureq::Error::Timeout(_) => Failure::timeout("the daemon did not answer in time"),
            ureq::Error::ConnectionFailed | ureq::Error::Io(_) => not_running(&self.data_dir),
            other => Failure::internal(format!("talking to the daemon: {other}")),
        })
    }

    fn read<T: DeserializeOwned>(&self, answer: ureq::http::Response<ureq::Body>) -> Result<T> {
        let json = self.checked(answer)?;
        serde_json::from_slice(&json)
            .map_err(|error| Failure::internal(format!("the daemon's answer: {error}")))
    }

    fn checked(&self, mut answer: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>> {
        let content = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|error| Failure::internal(format!("the daemon's answer: {error}")))?;
        if answer.status().is_success() {
            return Ok(content);
        }
        Err(serde_json::from_slice(&content).unwrap_or_else(|_| {
            Failure::internal(format!("the daemon answered {}", answer.status()))
        }))
    }

    /// Follows a space.
    pub(super) fn watch(&self, segments: &[&str], query: &str) -> Result<Following> {
        let mut request = format!("ws://{}{}{query}", self.endpoint.address, path(segments))
            .into_client_request()
            .map_err(|error| bad_request(&error))?;
        let token = HeaderValue::try_from(format!("Bearer {}", self.endpoint.token))
            .map_err(|error| bad_request(&error))?;
        request.headers_mut().insert("authorization", token);
        let stream =
            TcpStream::connect(self.endpoint.address).map_err(|_| not_running(&self.data_dir))?;
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Following { socket }),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                let failure = answer.body().as_deref().map(serde_json::from_slice);
                Err(failure.and_then(std::result::Result::ok).unwrap_or_else(|| {
                    Failure::internal(format!("the daemon answered {}", answer.status()))
                }))
            }
            Err(error) => Err(Failure::internal(format!("talking to the daemon: {error}"))),
        }
    }
}

/// A space that is being followed.
pub(super) struct Following {
    socket: WebSocket<TcpStream>,
}

impl Following {
    /// Waits for the next message.
    pub(super) fn next(&mut self) -> Result<WatchMessage> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(json)) => {
                    return serde_json::from_str(json.as_str()).map_err(|error| {
                        Failure::internal(format!("the daemon's message: {error}"))
                    });
                }
                Ok(Message::Close(_)) | Err(_) => return Err(Failure::stopped()),
                Ok(_) => {}
            }
        }
    }
}

fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("requests are plain JSON")
}

fn bad_request(error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("this cannot be asked: {error}"))
}

fn not_running(data_dir: &str) -> Failure {
    Failure::new(FailureKind::NotRunning, format!("no daemon is running for {data_dir}"))
        .hint("start one: meshwork up")
        .hint("or name the directory of the one that runs: --data-dir DIR")
}

fn path(segments: &[&str]) -> String {
    segments.iter().fold(String::from("/v1"), |path, segment| path + "/" + &escape(segment))
}

/// A query of the parameters that have a value.
pub(super) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        if let Some(value) = value {
            text.push(if text.is_empty() { '?' } else { '&' });
            text.push_str(&format!("{name}={}", escape(value)));
        }
    }
    text
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_any_character_make_one_path_segment() {
        assert_eq!(
            path(&["spaces", "a b", "objects", "x/ä?#"]),
            "/v1/spaces/a%20b/objects/x%2F%C3%A4%3F%23"
        );
        assert_eq!(query(&[("a", None), ("b", Some("&")), ("c", Some("1"))]), "?b=%26&c=1");
    }
}
