//! Whether the database answers: checked at most once a second, however many ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::Dispatcher;

/// How long the result of a check is valid.
const FRESH: Duration = Duration::from_secs(1);
/// The timeout of a check.
const PATIENCE: Duration = Duration::from_secs(2);

/// The state of the database; `None`: not checked yet.
type Known = Option<Result<(), String>>;

/// Checks the database, one check at a time.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    dispatcher: Dispatcher,
    last: Arc<Mutex<Asked>>,
}

impl Readiness {
    /// Not checked yet.
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

    /// Why the server can't answer calls.
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

    /// Checks if it is time to and no check is running. The receiver has the last result while it
    /// is valid.
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
