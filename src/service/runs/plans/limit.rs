//! When a plan that is being made is given up, so that its turn always comes back.

use std::time::Duration;

use crate::service::Error;
use crate::store::Db;
use crate::store::projects::project::{Project, project_by_id};

/// How long a plan may take. Large ones take minutes; a registry that sends a byte now and then would
/// hold a turn for days.
const LONGEST: Duration = Duration::from_mins(30);
/// How often it is looked whether the project is still there.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Does `work` for a plan of the project. Err: also if that takes too long, or the project is deleted
/// meanwhile.
pub(in crate::service::runs) async fn bounded<T>(
    db: &Db,
    project: &Project,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    within(LONGEST, deleted(db, project), work).await
}

async fn within<T>(
    longest: Duration,
    deleted: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        done = work => done,
        () = deleted => Err(gone()),
        () = tokio::time::sleep(longest) => {
            let message = format!(
                "the project can't be planned: that takes longer than {} minutes; split it into \
                 several projects, or try again when its registries are faster",
                longest.as_secs() / 60
            );
            Err(Error::invalid("label", message))
        }
    }
}

/// Resolves when the project is gone.
async fn deleted(db: &Db, project: &Project) {
    let (org, id) = (project.org_id, project.id);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Without the database, nothing is known of it.
        let found = db.run(move |conn| project_by_id(conn, org, id)).await;
        if matches!(found, Ok(None)) {
            return;
        }
    }
}

/// The project of a plan was deleted.
pub(super) fn gone() -> Error {
    Error::NotFound("the project was deleted while it was planned".into())
}

#[cfg(test)]
mod tests {
    use super::{gone, within};
    use crate::service::Error;
    use std::future::{pending, ready};
    use std::time::Duration;

    const NEVER: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn a_plan_ends_at_the_latest_with_its_time_or_its_project() {
        let endless = pending::<Result<(), Error>>;
        let late = within(Duration::ZERO, pending(), endless()).await;
        let late = late.unwrap_err().to_string();
        assert!(late.contains("takes longer than 0 minutes"), "{late}");
        let deleted = within(NEVER, ready(()), endless()).await;
        assert_eq!(deleted.unwrap_err().to_string(), gone().to_string());
        assert!(within(NEVER, pending(), ready(Ok(1))).await.is_ok());
    }
}
