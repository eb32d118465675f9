//! The routes that start and end a session. They aren't calls of `auth.login` and `auth.logout` by
//! name, since the key is in a cookie.

use serde_json::{Map, Value as Json, json};

use super::parts::{reference, refusal};

pub(super) fn paths() -> Map<String, Json> {
    let legacy = |mut operation: Json, id: &str| {
        operation["operationId"] = id.into();
        operation["deprecated"] = true.into();
        operation
    };
    let (open, close) = (login(), logout());
    let paths = [
        ("/auth/login", json!({"post": open.clone()})),
        ("/auth/logout", json!({"post": close.clone()})),
        ("/login", json!({"post": legacy(open, "login")})),
        ("/logout", json!({"get": legacy(close, "logout")})),
    ];
    paths
        .map(|(path, item)| (path.to_owned(), item))
        .into_iter()
        .collect()
}

fn login() -> Json {
    let form = |name: &str| {
        json!({
            "type": "object",
            "properties": {
                name: {"type": "string", "description": "the login name"},
                "password": {"type": "string", "format": "password"},
                "duration": {
                    "type": "integer",
                    "description": "seconds that the session lasts after each call",
                },
            },
            "required": [name, "password"],
            "additionalProperties": false,
        })
    };
    json!({
        "operationId": "auth.login",
        "tags": ["auth"],
        "summary": "Log in; the answer sets the session cookie.",
        "security": [],
        "requestBody": {
            "required": true,
            "content": {"application/json": {
                "schema": {"oneOf": [form("login"), form("username")]},
            }},
        },
        "responses": {
            "200": {
                "description": "logged in, or a fault",
                "headers": {"Set-Cookie": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {
                    "oneOf": [reference("Success"), reference("Fault")],
                }}},
            },
            "400": refusal("login or password is missing, or there are unknown members"),
            "401": refusal("wrong login or password"),
            "403": refusal("the request came from another site's page"),
        },
    })
}

fn logout() -> Json {
    json!({
        "operationId": "auth.logout",
        "tags": ["auth"],
        "summary": "End the session and remove the cookie; without a session, do nothing.",
        "security": [],
        "responses": {
            "200": {
                "description": "logged out",
                "headers": {"Set-Cookie": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {
                    "oneOf": [reference("Success"), reference("Fault")],
                }}},
            },
            "400": refusal("form fields instead of JSON"),
            "403": refusal("the request came from another site's page"),
        },
    })
}
