//! Writes that a run has begun and not reported. If it is interrupted, the target is asked what became
//! of them, so that the evidence has every tag that was overwritten.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};

use crate::oci::{Digest, Endpoint, Reference, Repository};
use crate::sync::TagOutcome;
use crate::sync::intents::{Intents, LeftIntent};

/// How long the target is asked after an interrupt, about all tags together.
const PATIENCE: Duration = Duration::from_secs(5);

/// The expected outcomes, by `host/repository:tag` at the target.
#[derive(Debug, Default)]
pub(super) struct OpenWrites(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    expected: BTreeMap<String, TagOutcome>,
    /// Nothing more may be written.
    is_over: bool,
}

/// What became of a write.
pub(super) enum Settled {
    /// It has come about.
    Written(Box<TagOutcome>),
    /// It may have; a warning.
    Unknown(String),
}

impl OpenWrites {
    /// The result of a tag is known.
    pub(super) fn reported(&self, outcome: &TagOutcome) {
        self.state().expected.remove(&outcome.target);
    }

    /// What became of the writes without a result. Nothing is written after this.
    pub(super) async fn settle(&self, target: &Endpoint) -> Vec<Settled> {
        let left = {
            let mut state = self.state();
            state.is_over = true;
            std::mem::take(&mut state.expected)
        };
        let all = left.into_values();
        join_all(all.map(|expected| settled(target, expected))).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intents for OpenWrites {
    fn keep(&self, expected: TagOutcome) -> BoxFuture<'_, Result<Option<TagOutcome>, String>> {
        let mut state = self.state();
        if state.is_over {
            return ready(Err("the run was interrupted".to_owned())).boxed();
        }
        state.expected.insert(expected.target.clone(), expected);
        ready(Ok(None)).boxed()
    }

    /// None: an earlier command left nothing here.
    fn left<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, Result<Vec<LeftIntent>, String>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn discard<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>> {
        self.reported(expected);
        ready(Ok(())).boxed()
    }
}

async fn settled(target: &Endpoint, expected: TagOutcome) -> Settled {
    let asked = tokio::time::timeout(PATIENCE, digest_now(target, &expected));
    let no_response = |_| Err(format!("no response within {} s", PATIENCE.as_secs()));
    let now = asked.await.unwrap_or_else(no_response);
    let now = match now {
        Ok(now) if now == expected.target_digest => {
            let reason = expected.reason
                + "; the run was interrupted before the registry's answer, but it is at the target";
            return Settled::Written(Box::new(TagOutcome { reason, ..expected }));
        }
        Ok(Some(now)) => format!("it has `{now}` now"),
        Ok(None) => "it isn't there now".to_owned(),
        Err(why) => format!("it can't be looked up: {why}"),
    };
    let digest = |digest: &Option<Digest>| digest.as_ref().map(|digest| format!("`{digest}`"));
    let sent = digest(&expected.target_digest).unwrap_or_default();
    let was = digest(&expected.previous_digest).unwrap_or_else(|| "nothing".to_owned());
    Settled::Unknown(format!(
        "`{}` may have been written: {sent} in place of {was}; {now}",
        expected.target
    ))
}

async fn digest_now(target: &Endpoint, of: &TagOutcome) -> Result<Option<Digest>, String> {
    let repository = Repository::parse(&of.target_repository).map_err(|error| error.to_string())?;
    let reference = Reference::parse(&of.target_tag).map_err(|error| error.to_string())?;
    let head = target.manifest_head(&repository, &reference).await;
    let head = head.map_err(|error| error.to_string())?;
    Ok(head.map(|head| head.digest))
}
