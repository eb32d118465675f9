//! Says which registries are waited for, so that a silent one isn't a silent command.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::output::talk_line;
use crate::oci::http::waits::{Wait, Waits};

/// A request that takes longer is told.
const PATIENCE: Duration = Duration::from_secs(3);
/// Until a host is told again.
const AGAIN: Duration = Duration::from_secs(30);
/// How often it is looked whether there is something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The open requests of the process's clients.
pub(super) static WAITS: LazyLock<Arc<Waits>> = LazyLock::new(Arc::default);

/// What was told already.
#[derive(Default)]
pub(super) struct Teller {
    told: HashMap<String, Instant>,
}

impl Teller {
    /// What is to be told now.
    pub(super) fn news(&mut self) -> Vec<String> {
        let waits = WAITS.oldest();
        // A host that responds is told anew when it falls silent again.
        self.told
            .retain(|host, _| waits.iter().any(|wait| wait.host == *host));
        waits.iter().filter_map(|wait| self.line(wait)).collect()
    }

    fn line(&mut self, wait: &Wait) -> Option<String> {
        let Wait { host, what, since } = wait;
        let is_fresh = |told: &Instant| told.elapsed() < AGAIN;
        if since.elapsed() < PATIENCE || self.told.get(host).is_some_and(is_fresh) {
            return None;
        }
        self.told.insert(host.clone(), Instant::now());
        let seconds = since.elapsed().as_secs();
        Some(format!(
            "waiting for `{host}`: no response for {seconds} s ({what})"
        ))
    }
}

/// The same as [`telling`] if it is wanted.
pub(super) async fn telling_if<T>(is_wanted: bool, work: impl Future<Output = T>) -> T {
    if is_wanted {
        telling(work).await
    } else {
        work.await
    }
}

/// Says what `work` waits for, until it is done.
pub(in crate::cli) async fn telling<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut teller = Teller::default();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = look.tick() => teller.news().iter().for_each(|line| talk_line(line)),
        }
    }
}
