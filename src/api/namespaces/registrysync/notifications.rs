//! Test of the notifications.

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
        "Send a test message through each configured channel (`webhook_url`, `smtp_url`). The server sends messages when a project starts failing and when it recovers.",
        [],
        test_notification,
    )
.faults([code::VALIDATION])
    .returns("the result for each channel; a fault if none is configured")
    .role(Role::SatelliteAdmin);
}

/// The result of a message.
#[derive(Serialize, JsonSchema)]
struct Told {
    /// `webhook` or `mail`.
    channel: String,
    ok: bool,
    /// The error; "" if there is none.
    message: String,
}

async fn test_notification(context: Context) -> Answer<Vec<Told>> {
    let told = notification::notification_test(context.app()).await;
    if told.is_empty() {
        let reason = "no channel is configured: set `webhook_url` or `smtp_url` \
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
