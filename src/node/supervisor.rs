//! Essential tasks. If one ends without being asked (it panicked or returned), that is a bug: the
//! process should end too, rather than answer and do nothing.

use std::collections::HashMap;
use std::future::Future;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// A task that ended without being asked.
#[derive(Debug, thiserror::Error)]
#[error("the {name} has ended ({}); this is a bug in registrysync, which can't continue without \
         it: restart it and report the log", if *.panicked { "it panicked" } else { "it returned" })]
pub struct TaskEnded {
    /// What it was.
    pub name: &'static str,
    /// Whether it panicked.
    pub panicked: bool,
}

/// Watches tasks by name.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
}

impl Supervisor {
    /// Tells the tasks to end. Each of them must follow it, and may end for no other reason.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Resolves when a task has ended prematurely; never, while all are running.
    pub async fn failed(&mut self) -> TaskEnded {
        match self.tasks.join_next_with_id().await {
            Some(joined) => self.ended(joined),
            None => std::future::pending().await,
        }
    }

    /// Tells all tasks to end, and waits for them. Err: one of them panicked on the way.
    pub async fn end(mut self) -> Result<(), TaskEnded> {
        self.stop.cancel();
        let mut result = Ok(());
        while let Some(joined) = self.tasks.join_next_with_id().await {
            if joined.is_err() {
                result = Err(self.ended(joined));
            }
        }
        result
    }

    fn ended(&mut self, joined: Result<(Id, ()), JoinError>) -> TaskEnded {
        let (id, panicked) = match joined {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let name = self.names.remove(&id).unwrap_or("task");
        let ended = TaskEnded { name, panicked };
        tracing::error!("{ended}");
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Supervisor;

    /// Far longer than a task takes to end when asked.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// One that runs until it is stopped, like all should.
    fn supervised() -> Supervisor {
        let mut supervisor = Supervisor::default();
        let stop = supervisor.stop().clone();
        supervisor.spawn("good one", async move { stop.cancelled().await });
        supervisor
    }

    #[tokio::test]
    async fn a_task_that_panics_is_told_by_its_name() {
        let mut supervisor = supervised();
        supervisor.spawn("scheduler", async { panic!("out of time") });
        let failed = tokio::time::timeout(PATIENCE, supervisor.failed());
        let failed = failed.await.expect("it is noticed");
        assert_eq!((failed.name, failed.panicked), ("scheduler", true));
        assert!(
            failed
                .to_string()
                .contains("the scheduler has ended (it panicked)")
        );
        supervisor.end().await.expect("the others end in order");
    }

    #[tokio::test]
    async fn a_task_that_returns_early_is_told_too() {
        let mut supervisor = supervised();
        supervisor.spawn("worker", async {});
        let failed = tokio::time::timeout(PATIENCE, supervisor.failed());
        let failed = failed.await.expect("it is noticed");
        assert_eq!((failed.name, failed.panicked), ("worker", false));
    }

    #[tokio::test]
    async fn tasks_that_are_told_to_end_are_no_fault() {
        let mut supervisor = supervised();
        tokio::select! {
            biased;
            failed = supervisor.failed() => panic!("{failed}"),
            () = tokio::task::yield_now() => {}
        }
        supervisor.end().await.expect("an end in order");
    }

    #[tokio::test]
    async fn a_panic_on_the_way_out_is_told() {
        let mut supervisor = Supervisor::default();
        let stop = supervisor.stop().clone();
        supervisor.spawn("worker", async move {
            stop.cancelled().await;
            panic!("in the middle of a last word");
        });
        let failed = supervisor.end().await.expect_err("it panicked");
        assert!(failed.panicked);
    }
}
