//! Asks the database before each delete: the worker still holds its part, the project is as its run
//! knows it, and the tag is still recorded as its own. The delete is kept as an intent.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::write_intents::{MAY_COME, intent_row};
use crate::store::projects::write_intent::{intents_put, is_intended};
use crate::store::projects::written_tag::{DeleteBar, DeleteRight, delete_bar};
use crate::store::{Db, Error};
use crate::sync::TagOutcome;
use crate::sync::prune::gate::DeleteGate;

/// The right of one part.
#[derive(Clone, Debug)]
pub(in crate::taskomatic::workers) struct DatabaseGate {
    pub(in crate::taskomatic::workers) db: Db,
    pub(in crate::taskomatic::workers) right: DeleteRight,
}

impl DeleteGate for DatabaseGate {
    fn pass<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>> {
        let right = self.right;
        async move {
            let (Some(row), Some(digest)) = (intent_row(expected), &expected.previous_digest)
            else {
                return Err("its name can't be recorded".to_owned());
            };
            let digest = digest.to_string();
            let asked = self.db.run(move |conn| {
                conn.write(|conn| {
                    let mut bar = delete_bar(conn, &right, &row.key(), &digest)?;
                    if bar.is_none() && is_intended(conn, right.project_id, &row.key(), MAY_COME)? {
                        bar = Some(DeleteBar::Shared);
                    }
                    if bar.is_none() {
                        intents_put(conn, right.lease, right.project_id, &[row])?;
                    }
                    Ok::<_, Error>(bar)
                })
            });
            match asked.await {
                Ok(None) => Ok(()),
                Ok(Some(bar)) => Err(told(bar).to_owned()),
                Err(error) => Err(format!("the database can't be asked: {error}")),
            }
        }
        .boxed()
    }
}

fn told(bar: DeleteBar) -> &'static str {
    match bar {
        DeleteBar::PartLost => "another worker has taken over",
        DeleteBar::Cancelled => "the run was cancelled",
        DeleteBar::ProjectGone => "the project was deleted meanwhile",
        DeleteBar::ProjectDisabled => "the project was disabled meanwhile",
        DeleteBar::ProjectChanged => "the project was changed meanwhile",
        DeleteBar::NotOurs => "it isn't recorded as this project's any more",
        DeleteBar::Shared => "another project needs it too, meanwhile",
    }
}
