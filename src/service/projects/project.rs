//! Sync projects: create, list, show, change and delete.

use std::collections::HashMap;

use super::item::{ItemView, items_of};
use super::lookup::{ProjectName, project_find, project_find_locked};
use super::places::{ends_of, store_by_id};
use super::platforms::index_check;
use super::settings::{ProjectDetails, ProjectOptions, ProjectSettings};
use crate::service::batches::{STEP, in_steps};
use crate::service::error::shortened;
use crate::service::label::{LABEL_LIMIT, label_check};
use crate::service::paging::{Rows, Slice, rows as page_by_page};
use crate::service::runs::cancel::project_runs_end;
use crate::service::schedules::schedule::{job_label, project_schedule};
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::projects::project::{
    self as rows, LastRun, NewProject, Project, ProjectChange, project_by_label, project_last_runs,
};
use crate::store::runs::housekeeping::project_empty;
use crate::store::runs::run::run_list;
use crate::store::schedules::schedule::schedule_lines;
use crate::store::stores::image_store::{ImageStore, image_store_by_label, image_store_list};

/// A project, for output.
#[derive(Clone, Debug)]
pub struct ProjectView {
    /// The row.
    pub project: Project,
    /// Label of the store to copy from.
    pub src_store_label: String,
    /// Label of the store to copy to.
    pub dest_store_label: String,
    /// The options,
    pub settings: ProjectSettings,
    /// Why they can't be read; if so, they are the defaults.
    pub problem: Option<&'static str>,
    /// The latest run.
    pub last_run: Option<LastRun>,
    /// The cron line of its schedule.
    pub cron_expr: Option<String>,
}

/// Makes a project.
pub async fn project_create(
    app: &App,
    caller: &Caller,
    label: String,
    src_store: String,
    dest_store: String,
    options: ProjectOptions,
) -> Result<ProjectView, Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    label_check("label", &label, LABEL_LIMIT)?;
    let details = ProjectDetails::from(options);
    let settings = ProjectSettings::default().changed(&details)?;
    app.db
        .transaction(move |conn| {
            if project_by_label(conn, org, &label)?.is_some() {
                return Err(exists(&label));
            }
            let source = store_find(conn, org, &src_store)?;
            let target = store_find(conn, org, &dest_store)?;
            ends_of(&source, &target, &settings)?.check_ends()?;
            index_check(&settings, &[])?;
            let new = NewProject {
                org_id: org,
                label: &label,
                src_store_id: source.id,
                dest_store_id: target.id,
                enabled: details.enabled.unwrap_or(true),
                options: &settings.to_json()?,
                modified_by: &login,
            };
            // It may have been created since the look-up.
            let id = rows::project_create(conn, &new).map_err(|error| match error {
                crate::store::Error::Exists(_) => exists(&label),
                other => other.into(),
            })?;
            view_of(conn, org, id)
        })
        .await
}

/// Projects of the caller's organisation, by label.
pub async fn project_list(
    app: &App,
    caller: &Caller,
    slice: Slice,
) -> Result<Rows<ProjectView>, Error> {
    let org = caller.org_id();
    let first = slice.offset();
    page_by_page(app, slice.without_offset(), move |_| {
        let read = move |conn: &mut DbConnection, offset: i64, count| {
            let page = project_page(conn, org, offset, count)?;
            let found = i64::try_from(page.len()).unwrap_or(i64::MAX);
            Ok(((found > 0).then(|| offset.saturating_add(found)), page))
        };
        Ok((first, read))
    })
    .await
}

fn project_page(
    conn: &mut DbConnection,
    org: i64,
    offset: i64,
    limit: i64,
) -> Result<Vec<ProjectView>, Error> {
    let projects = rows::project_list(conn, org, offset, limit)?;
    let stores: HashMap<i64, String> = image_store_list(conn, org, "", i64::MAX)?
        .into_iter()
        .map(|store| (store.id, store.label))
        .collect();
    let mut labels = projects.iter().map(|project| project.label.as_str());
    let first = labels.next().unwrap_or_default();
    let labels = (first, labels.next_back().unwrap_or(first));
    let mut last_runs = project_last_runs(conn, org, labels)?;
    let mut lines = schedule_lines(conn, org, labels)?;
    let label = |id: i64| stores.get(&id).cloned().unwrap_or_default();
    let views = projects.into_iter().map(|project| {
        // One unreadable project must not hide the others.
        let (settings, problem) = match ProjectSettings::of(&project) {
            Ok(settings) => (settings, None),
            Err(error) => {
                tracing::error!(project = project.id, %error, "a project's options can't be read");
                let problem =
                    "its options can't be read (see the server's log); the defaults are shown";
                (ProjectSettings::default(), Some(problem))
            }
        };
        ProjectView {
            src_store_label: label(project.src_store_id),
            dest_store_label: label(project.dest_store_id),
            settings,
            problem,
            last_run: last_runs.remove(&project.id),
            cron_expr: lines.remove(&job_label(project.id)),
            project,
        }
    });
    Ok(views.collect())
}

/// One project with its items.
pub async fn project_details(
    app: &App,
    caller: &Caller,
    name: ProjectName,
) -> Result<(ProjectView, Vec<ItemView>), Error> {
    let org = caller.org_id();
    app.db
        .call(move |conn| {
            let project = project_find(conn, org, &name)?;
            let items = items_of(conn, &project)?;
            Ok((view_of(conn, org, project.id)?, items))
        })
        .await
}

/// Changes a project: all of `details`, or nothing.
pub async fn project_set_details(
    app: &App,
    caller: &Caller,
    label: String,
    details: ProjectDetails,
) -> Result<ProjectView, Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    app.db
        .transaction(move |conn| {
            let project = project_find_locked(conn, org, &ProjectName::Label(label))?;
            let settings = ProjectSettings::of(&project)?.changed(&details)?;
            let store = |conn: &mut DbConnection, label: Option<&String>, id: i64| match label {
                Some(label) => store_find(conn, org, label),
                None => store_by_id(conn, org, id),
            };
            let source = store(conn, details.src_store_label.as_ref(), project.src_store_id)?;
            let target = store(
                conn,
                details.dest_store_label.as_ref(),
                project.dest_store_id,
            )?;
            let ends = ends_of(&source, &target, &settings)?;
            ends.check_ends()?;
            let items = items_of(conn, &project)?;
            let items: Vec<_> = items.into_iter().map(|item| item.spec).collect();
            ends.check_items(&items)?;
            index_check(&settings, &items)?;
            let change = ProjectChange {
                src_store_id: Some(source.id),
                dest_store_id: Some(target.id),
                enabled: details.enabled,
                options: Some(&settings.to_json()?),
                modified_by: &login,
            };
            rows::project_update(conn, org, project.id, details.version, &change)?;
            view_of(conn, org, project.id)
        })
        .await
}

/// Deletes a project with its items, schedule, runs, results and logs. It is disabled and a run in
/// progress is cancelled first. A run that doesn't end in time stops when its worker finds that its
/// lease is gone. An interrupted deletion continues when it is requested again.
pub async fn project_delete(app: &App, caller: &Caller, label: String) -> Result<(), Error> {
    let org = caller.org_id();
    let project = app
        .db
        .call(move |conn| project_find(conn, org, &ProjectName::Label(label)))
        .await?;
    let deleted = async {
        // Disabled first, or its schedule could start another run meanwhile.
        app.db
            .run(move |conn| rows::projects_disable(conn, org, Some(project.id)))
            .await?;
        project_runs_end(app, caller, project.id).await?;
        in_steps(&app.db, move |conn| project_empty(conn, project.id, STEP)).await?;
        let delete = move |conn: &mut DbConnection| rows::project_delete(conn, org, project.id);
        Ok(app.db.run(delete).await?)
    };
    // There are several transactions: earlier ones may have succeeded.
    deleted.await.map(|_| ()).map_err(|error| match error {
        Error::Unavailable { message, cause } => Error::Unavailable {
            message: format!(
                "{message}; it is unknown whether the project was deleted and its runs were cancelled: \
                 check before you retry"
            ),
            cause,
        },
        other => other,
    })
}

fn store_find(conn: &mut DbConnection, org: i64, label: &str) -> Result<ImageStore, Error> {
    image_store_by_label(conn, org, label)?
        .ok_or_else(|| Error::ImageStoreNotFound(shortened(label)))
}

fn view_of(conn: &mut DbConnection, org: i64, id: i64) -> Result<ProjectView, Error> {
    let project = project_find(conn, org, &ProjectName::Id(id))?;
    let last_run = run_list(conn, org, id, i64::MAX, 1)?.pop();
    let schedule = project_schedule(conn, org, id)?;
    Ok(ProjectView {
        src_store_label: store_by_id(conn, org, project.src_store_id)?.label,
        dest_store_label: store_by_id(conn, org, project.dest_store_id)?.label,
        settings: ProjectSettings::of(&project)?,
        problem: None,
        last_run: last_run.map(|run| LastRun {
            id: run.id,
            status: run.status,
            end_time: run.end_time,
            warnings: run.totals.warnings,
        }),
        cron_expr: schedule.map(|schedule| schedule.cron_expr),
        project,
    })
}

fn exists(label: &str) -> Error {
    Error::Exists(format!("a project with the label `{label}` already exists"))
}
