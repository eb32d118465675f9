//! Asks the database before each delete: the worker still holds its part, the project is as its run
//! knows it, and the tag is still recorded as its own.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::oci::Digest;
use crate::store::Db;
use crate::store::projects::written_tag::{DeleteBar, DeleteRight, WrittenKey, delete_bar};
use crate::sync::prune::gate::DeleteGate;

/// The right of one part.
#[derive(Clone, Debug)]
pub(in crate::taskomatic::workers) struct DatabaseGate {
    pub(in crate::taskomatic::workers) db: Db,
    pub(in crate::taskomatic::workers) right: DeleteRight,
}

impl DeleteGate for DatabaseGate {
    fn pass<'a>(
        &'a self,
        place: &'a str,
        tag: &'a str,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<(), String>> {
        let (right, digest) = (self.right, digest.to_string());
        let key = WrittenKey {
            place: place.to_owned(),
            tag: tag.to_owned(),
        };
        async move {
            let asked = self
                .db
                .run(move |conn| delete_bar(conn, &right, &key, &digest));
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
        DeleteBar::Shared => "another project has written it too, meanwhile",
    }
}
