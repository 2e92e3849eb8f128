//! Who may talk to the API: whoever has the token, and no web page of another origin.
//!
//! The token is compared in constant time. `Host` must name this machine and `Origin`, which browsers add,
//! must be the API itself: together they stop DNS rebinding and cross-site requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::Response;

use crate::failure::{Failure, FailureKind, Result};

/// What requests are checked against.
#[derive(Debug)]
pub(super) struct Guard {
    token: blake3::Hash,
    port: u16,
}

impl Guard {
    pub(super) fn new(token: &str, port: u16) -> Self {
        Self { token: blake3::hash(token.as_bytes()), port }
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<()> {
        let host = header(headers, HOST);
        let host_fits = host.is_some_and(|host| self.names_this_machine(host));
        let origin_fits = match headers.get(ORIGIN) {
            None => true,
            Some(origin) => origin
                .to_str()
                .ok()
                .and_then(|origin| origin.strip_prefix("http://"))
                .is_some_and(|origin| self.names_this_machine(origin)),
        };
        if host_fits && origin_fits {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Forbidden, "the request comes from a foreign web page")
            .hint(format!("use http://127.0.0.1:{}", self.port)))
    }

    fn names_this_machine(&self, authority: &str) -> bool {
        let Some((host, port)) = authority.rsplit_once(':') else { return false };
        port.parse() == Ok(self.port) && ["127.0.0.1", "localhost", "[::1]"].contains(&host)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<()> {
        let token = header(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        // `blake3::Hash` compares in constant time.
        if token.is_some_and(|token| blake3::hash(token.as_bytes()) == self.token) {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Forbidden, "the request carries no valid token").hint(
            "send `Authorization: Bearer TOKEN`; the token is in api.json in the data directory",
        ))
    }
}

fn header(headers: &HeaderMap, name: axum::http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) async fn require_own_origin(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response> {
    guard.check_origin(request.headers())?;
    Ok(next.run(request).await)
}

pub(super) async fn require_token(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response> {
    guard.check_token(request.headers())?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(list: &[(axum::http::HeaderName, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_rebound_name_or_foreign_page_is_refused() {
        let guard = Guard::new("secret", 80);
        let accepts = |list: &[_]| guard.check_origin(&headers(list)).is_ok();
        assert!(accepts(&[(HOST, "127.0.0.1:80")]));
        assert!(accepts(&[(HOST, "localhost:80"), (ORIGIN, "http://localhost:80")]));
        assert!(!accepts(&[]));
        assert!(!accepts(&[(HOST, "evil.example:80")]));
        assert!(!accepts(&[(HOST, "127.0.0.1:81")]));
        assert!(!accepts(&[(HOST, "127.0.0.1:80"), (ORIGIN, "http://evil.example")]));
        assert!(!accepts(&[(HOST, "127.0.0.1:80"), (ORIGIN, "null")]));
    }

    #[test]
    fn only_the_whole_token_opens() {
        let guard = Guard::new("secret", 80);
        let accepts = |list: &[_]| guard.check_token(&headers(list)).is_ok();
        assert!(accepts(&[(AUTHORIZATION, "Bearer secret")]));
        assert!(!accepts(&[]));
        assert!(!accepts(&[(AUTHORIZATION, "Bearer secre")]));
        assert!(!accepts(&[(AUTHORIZATION, "Bearer ")]));
        assert!(!accepts(&[(AUTHORIZATION, "secret")]));
    }
}
