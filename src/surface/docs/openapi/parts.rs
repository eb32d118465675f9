//! Recurring parts of the document.

use serde_json::{Value as Json, json};

/// A response that refuses the request.
pub(super) fn refusal(description: &str) -> Json {
    json!({
        "description": description,
        "content": {"application/json": {"schema": reference("Refusal")}},
    })
}

/// One of the shared schemas.
pub(super) fn reference(name: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
