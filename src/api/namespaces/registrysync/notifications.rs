//! Whether people can be told.

use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::api::error::code;
use crate::api::{ApiError, Context, NamespaceBuilder};
use crate::service::Role;
use crate::service::trail::notification;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    ns.method(
        "testNotification",
        "Send a test message by each channel that the server's configuration has (`webhook_url`, `smtp_url`). People are told when a project begins to fail, and when it works again.",
        [],
        test_notification,
    )
.faults([code::VALIDATION])
    .returns("what came of it, by channel; a fault where none is configured")
    .role(Role::SatelliteAdmin);
}

/// What came of a message.
#[derive(Serialize, JsonSchema)]
struct Told {
    /// `webhook` or `mail`.
    channel: String,
    ok: bool,
    /// What went wrong; "" where nothing did.
    message: String,
}

async fn test_notification(context: Context) -> Answer<Vec<Told>> {
    let told = notification::notification_test(context.app()).await;
    if told.is_empty() {
        let reason = "no channel is configured, so nobody is told; set `webhook_url` or `smtp_url` \
                      in the server's configuration";
        return Err(ApiError::validation("channel", reason));
    }
    let told = told.into_iter().map(|(channel, message)| Told {
        channel: channel.to_string(),
        ok: message.is_empty(),
        message,
    });
    Ok(told.collect())
}
