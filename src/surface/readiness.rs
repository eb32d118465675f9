//! Whether the database answers: it is asked once a second at most, however many want to know.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::Dispatcher;

/// How long an answer of the database counts.
const FRESH: Duration = Duration::from_secs(1);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the database; `None`: nothing yet.
type Known = Option<Result<(), String>>;

/// Asks the database, one at a time.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    dispatcher: Dispatcher,
    last: Arc<Mutex<Asked>>,
}

impl Readiness {
    /// Nothing is known yet.
    pub(super) fn new(dispatcher: Dispatcher) -> Readiness {
        let (answers, answer) = watch::channel(None);
        let asked = Asked {
            when: None,
            answer,
            answers: Arc::new(answers),
            is_under_way: false,
        };
        Readiness {
            dispatcher,
            last: Arc::new(Mutex::new(asked)),
        }
    }

    /// What keeps the server from answering calls.
    pub(super) async fn check(&self) -> Result<(), String> {
        let mut answer = self.ask();
        let came = tokio::time::timeout(PATIENCE, answer.wait_for(Option::is_some)).await;
        match came {
            Ok(Ok(known)) => known.clone().unwrap_or(Ok(())),
            _ => Err(format!(
                "the database doesn't answer within {} seconds",
                PATIENCE.as_secs()
            )),
        }
    }

    /// Asks, if it is time to and nobody does. The receiver has the last answer while it is fresh.
    fn ask(&self) -> watch::Receiver<Known> {
        let mut asked = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = asked.when.is_some_and(|when| when.elapsed() < FRESH);
        if !is_fresh && !asked.is_under_way {
            asked.is_under_way = true;
            asked.answers.send_replace(None);
            let (this, answers) = (self.clone(), Arc::clone(&asked.answers));
            tokio::spawn(async move {
                let found = this.dispatcher.ready().await;
                let mut asked = this.last.lock().unwrap_or_else(PoisonError::into_inner);
                asked.when = Some(Instant::now());
                asked.is_under_way = false;
                answers.send_replace(Some(found.map_err(|error| error.message().to_owned())));
            });
        }
        asked.answer.clone()
    }
}

#[derive(Debug)]
struct Asked {
    when: Option<Instant>,
    answer: watch::Receiver<Known>,
    answers: Arc<watch::Sender<Known>>,
    is_under_way: bool,
}
