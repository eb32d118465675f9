//! Tests of the test registry: what other tests rely on must hold.
//!
//! - `content`: what is pushed comes back, also from the real `docker-registry`.
//! - `auth`: Basic, tokens, the token server.
//! - `listing`: pages, links, referrers.
//! - `uploads`: mounts, sessions, sinks.
//! - `faults`: rules and quirks.

mod auth;
mod content;
mod faults;
mod listing;
mod uploads;

use reqwest::{Client, Method, Response};
use serde_json::Value;

/// Sends a request without content; returns the response.
async fn ask(client: &Client, method: Method, address: &str, path: &str) -> Response {
    let url = format!("http://{address}{path}");
    client.request(method, url).send().await.expect("an answer")
}

async fn get(client: &Client, address: &str, path: &str) -> Response {
    ask(client, Method::GET, address, path).await
}

fn head<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |v| v.to_str().unwrap())
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}
