//! The health of a registry: after some consecutive failures it is probed once, while its other
//! requests wait; then one request at a time is tried, until one succeeds or it is given up.
//!
//! Queries, blob reads, blob writes and manifest writes are tracked separately, since a registry may be
//! unable to do one of them while the others work.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard};
use tokio::time::Instant;

use crate::oci::error::{Error, TransportKind};

/// When a registry is considered unhealthy, and how long it has to recover.
#[derive(Clone, Copy, Debug)]
pub struct HealthRules {
    /// Consecutive failures, timeouts counted twice, before a probe.
    pub failures: u32,
    /// Probes (`/v2/`) without any response before it is given up.
    pub probes: u32,
    /// Timeout of a probe.
    pub probe_timeout: Duration,
    /// Pause before the second probe, and between single tries; doubled with each probe.
    pub pause: Duration,
    /// How long single tries go on without success before it is given up.
    pub limit: Duration,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self {
            failures: 4,
            // About a minute including pauses, which is how long a restart takes.
            probes: 7,
            probe_timeout: Duration::from_secs(10),
            pause: Duration::from_secs(1),
            limit: Duration::from_mins(2),
        }
    }
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oci) enum Kind {
    Look,
    ReadBlob,
    WriteBlob,
    WriteManifest,
}

/// The state of one registry.
pub(in crate::oci) struct Health {
    rules: HealthRules,
    kinds: [Watch; 4],
    given_up: Mutex<Option<String>>,
}

#[derive(Default)]
struct Watch {
    state: Mutex<State>,
    /// Held by the request that tries.
    turn: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// In a row.
    failures: u32,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    #[default]
    Well,
    /// To be probed.
    Suspect,
    /// It responds, but nothing has succeeded since.
    Doubtful(Instant),
}

/// The only request of its kind for now: its outcome decides for the others, which wait.
pub(in crate::oci) struct Trial<'a> {
    _turn: AsyncGuard<'a, ()>,
}

/// Whether an operation that failed during `trial` isn't retried, because others wait for it. A
/// registry that is only busy works again soon.
pub(in crate::oci) fn is_last(trial: Option<&Trial<'_>>, error: &Error) -> bool {
    trial.is_some() && !matches!(error.status(), Some(429 | 503))
}

impl Health {
    pub(in crate::oci) fn new(rules: HealthRules) -> Self {
        Self {
            rules,
            kinds: Default::default(),
            given_up: Mutex::default(),
        }
    }

    /// Waits until a request may be made; `probe` probes whether the registry responds at all. Err:
    /// why it was given up.
    pub(in crate::oci) async fn admit<F>(
        &self,
        kind: Kind,
        probe: impl Fn() -> F,
    ) -> Result<Option<Trial<'_>>, String>
    where
        F: Future<Output = bool>,
    {
        if self.is_well(kind)? {
            return Ok(None);
        }
        let turn = self.watch(kind).turn.lock().await;
        if self.is_well(kind)? {
            return Ok(None);
        }
        let phase = self.state(kind).phase;
        if matches!(phase, Phase::Suspect) {
            if self.answers(probe).await {
                self.state(kind).phase = Phase::Doubtful(Instant::now());
            } else {
                self.give_up(kind, "it doesn't answer");
            }
        } else {
            tokio::time::sleep(self.rules.pause).await;
        }
        self.is_well(kind)?;
        Ok(Some(Trial { _turn: turn }))
    }

    async fn answers<F: Future<Output = bool>>(&self, probe: impl Fn() -> F) -> bool {
        for number in 0..self.rules.probes {
            if number > 0 {
                tokio::time::sleep(self.rules.pause * 2u32.pow(number - 1)).await;
            }
            let answered = tokio::time::timeout(self.rules.probe_timeout, probe()).await;
            if answered.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    /// Whether a request may be made. Err: like `admit`.
    pub(in crate::oci) fn is_well(&self, kind: Kind) -> Result<bool, String> {
        match &*lock(&self.given_up) {
            Some(reason) => Err(reason.clone()),
            None => Ok(matches!(self.state(kind).phase, Phase::Well)),
        }
    }

    /// Records a failed request.
    pub(in crate::oci) fn note(&self, kind: Kind, error: &Error) {
        let weight = match error {
            Error::Transport { kind, .. } => match kind {
                TransportKind::Silent => 2,
                TransportKind::Broken => 1,
                // Unambiguous at once.
                TransportKind::Unreachable | TransportKind::Tls | TransportKind::GivenUp => return,
            },
            error if error.is_retryable() => 1,
            _ => return self.note_success(kind),
        };
        let mut state = self.state(kind);
        state.failures = state.failures.saturating_add(weight);
        let failures = state.failures;
        match state.phase {
            Phase::Well if failures >= self.rules.failures => state.phase = Phase::Suspect,
            Phase::Doubtful(since) if since.elapsed() >= self.rules.limit => {
                drop(state);
                self.give_up(kind, &error.reason());
            }
            _ => {}
        }
    }

    /// Something went well.
    pub(in crate::oci) fn note_success(&self, kind: Kind) {
        *self.state(kind) = State::default();
    }

    fn give_up(&self, kind: Kind, last: &str) {
        let what = match kind {
            Kind::Look => "requests",
            Kind::ReadBlob => "transfers of blobs from it",
            Kind::WriteBlob => "transfers of blobs to it",
            Kind::WriteManifest => "pushes of manifests to it",
        };
        let reason = format!("given up: all {what} have failed for some time (last error: {last})");
        lock(&self.given_up).get_or_insert(reason);
    }

    fn watch(&self, kind: Kind) -> &Watch {
        let [probe, read, write, manifest] = &self.kinds;
        match kind {
            Kind::Look => probe,
            Kind::ReadBlob => read,
            Kind::WriteBlob => write,
            Kind::WriteManifest => manifest,
        }
    }

    fn state(&self, kind: Kind) -> MutexGuard<'_, State> {
        lock(&self.watch(kind).state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: TransportKind) -> Error {
        Error::Transport {
            host: "r.example".into(),
            phase: "reading the response".into(),
            detail: String::new(),
            kind,
        }
    }

    /// How many of `failures`, one after the other, are the first to be too many.
    fn endured(failures: &[TransportKind]) -> Option<usize> {
        let health = Health::new(HealthRules::default());
        let mut number = (1..).zip(failures);
        number.find_map(|(number, kind)| {
            health.note(Kind::Look, &failed(*kind));
            (!health.is_well(Kind::Look).unwrap()).then_some(number)
        })
    }

    #[test]
    fn a_timeout_counts_twice() {
        use TransportKind::{Broken, Silent, Unreachable};
        assert_eq!(endured(&[Broken; 9]), Some(4));
        assert_eq!(endured(&[Silent; 9]), Some(2));
        assert_eq!(endured(&[Broken, Silent, Broken, Broken]), Some(3));
        assert_eq!(endured(&[Unreachable; 9]), None);
    }

    #[test]
    fn a_success_of_the_same_kind_ends_the_row() {
        let health = Health::new(HealthRules::default());
        for success in [Kind::Look, Kind::ReadBlob] {
            for _ in 0..3 {
                health.note(Kind::Look, &failed(TransportKind::Broken));
            }
            health.note_success(success);
        }
        assert_eq!(health.is_well(Kind::Look), Ok(true));
        health.note(Kind::Look, &failed(TransportKind::Broken));
        assert_eq!(health.is_well(Kind::Look), Ok(false));
        assert_eq!(health.is_well(Kind::ReadBlob), Ok(true));
    }
}
