//! Projects, with a switch for their placement: scoped is `scoped`, and not scoped is `flat`, as
//! `skopeo sync` does with and without its `--scoped`.

use schemars::JsonSchema;
use serde::Serialize;

use super::items::SyncItem;
use super::{Answer, LIMIT, OFFSET};
use crate::api::value::Done;
use crate::api::{Context, List, Namespace, param};
use crate::service::paging::Slice;
use crate::service::projects::lookup::ProjectName;
use crate::service::projects::project::{self, ProjectView};
use crate::service::projects::settings::{ProjectDetails, ProjectOptions};
use crate::service::stores::image_store::store_label;
use crate::sync::Placement;

const NAME: &str = "name of the project";
const SCOPED: &str = "whether a target repository is `<source host>/<repository>`; else it is the last part of the repository's path";

/// A project.
#[derive(Serialize, JsonSchema)]
struct SyncProject {
    id: i64,
    name: String,
    src_store_label: String,
    dest_store_label: String,
    /// Whether a target repository is `<source host>/<repository>`.
    scoped: bool,
    /// The items, where one project is shown.
    items: Option<Vec<SyncItem>>,
}

impl From<ProjectView> for SyncProject {
    fn from(view: ProjectView) -> SyncProject {
        SyncProject {
            id: view.project.id,
            name: view.project.label,
            src_store_label: view.src_store_label,
            dest_store_label: view.dest_store_label,
            scoped: view.settings.placement == Placement::Scoped,
            items: None,
        }
    }
}

pub(super) fn define(ns: &mut Namespace) {
    show(ns);
    change(ns);
}

fn show(ns: &mut Namespace) {
    const BY_NAME: &str = "projects, by name";
    ns.method("listProjects", "List all projects.", [], list)
        .returns(BY_NAME)
        .read_only();
    ns.method(
        "listProjects",
        "List a part of the projects.",
        [param("limit", LIMIT), param("offset", OFFSET)],
        list_slice,
    )
    .returns(BY_NAME)
    .read_only();
    ns.method(
        "getProjectDetails",
        "Show a project.",
        [param("id", "id of the project")],
        details_by_id,
    )
    .returns("the project with its items")
    .read_only();
    ns.method(
        "getProjectDetails",
        "Show a project.",
        [param("name", NAME)],
        details_by_name,
    )
    .returns("the project with its items")
    .read_only();
}

fn change(ns: &mut Namespace) {
    const MAKE: &str = "Make a project.";
    let name = param("name", NAME);
    let scoped = param("scoped", SCOPED);
    ns.method(
        "createProject",
        MAKE,
        [
            name,
            param("src", "id of the image store to copy from"),
            param("dest", "id of the image store to copy to"),
            scoped,
        ],
        create_by_ids,
    )
    .returns("the project");
    ns.method(
        "createProject",
        MAKE,
        [
            name,
            param("src", "label of the image store to copy from"),
            param("dest", "label of the image store to copy to"),
            scoped,
        ],
        create,
    )
    .returns("the project");
    let src = param(
        "newSrc",
        "label of another image store to copy from; \"\": as it is",
    );
    let dest = param(
        "newDest",
        "label of another image store to copy to; \"\": as it is",
    );
    ns.method(
        "updateProject",
        "Give a project other image stores.",
        [name, src, dest],
        update,
    )
    .returns("the project");
    ns.method(
        "updateProject",
        "Give a project other image stores and another scope.",
        [name, src, dest, param("scope", SCOPED)],
        update_scope,
    )
    .returns("the project");
    ns.method(
        "deleteProject",
        "Delete a project with its items and the history of its runs; a run that goes on is cancelled first.",
        [name],
        delete,
    );
}

async fn list(context: Context) -> Answer<List<SyncProject>> {
    projects_of(&context, Slice::ALL).await
}

async fn list_slice(context: Context, limit: i32, offset: i32) -> Answer<List<SyncProject>> {
    projects_of(&context, Slice::new(limit.into(), offset.into())?).await
}

async fn projects_of(context: &Context, slice: Slice) -> Answer<List<SyncProject>> {
    let found = project::project_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, SyncProject::from))
}

async fn details_by_id(context: Context, id: i32) -> Answer<SyncProject> {
    details(&context, ProjectName::Id(id.into())).await
}

async fn details_by_name(context: Context, name: String) -> Answer<SyncProject> {
    details(&context, ProjectName::Label(name)).await
}

async fn details(context: &Context, name: ProjectName) -> Answer<SyncProject> {
    let (view, items) = project::project_details(context.app(), context.caller(), name).await?;
    let items = items.into_iter().map(SyncItem::from).collect();
    Ok(SyncProject {
        items: Some(items),
        ..view.into()
    })
}

async fn create_by_ids(
    context: Context,
    name: String,
    src: i32,
    dest: i32,
    scoped: bool,
) -> Answer<SyncProject> {
    let (app, caller) = (context.app(), context.caller());
    let src = store_label(app, caller, src.into()).await?;
    let dest = store_label(app, caller, dest.into()).await?;
    create(context, name, src, dest, scoped).await
}

async fn create(
    context: Context,
    name: String,
    src: String,
    dest: String,
    scoped: bool,
) -> Answer<SyncProject> {
    let options = ProjectOptions {
        placement: Some(placement(scoped)),
        ..ProjectOptions::default()
    };
    let (app, caller) = (context.app(), context.caller());
    let made = project::project_create(app, caller, name, src, dest, options).await?;
    Ok(made.into())
}

async fn update(context: Context, name: String, src: String, dest: String) -> Answer<SyncProject> {
    change_ends(&context, name, src, dest, None).await
}

async fn update_scope(
    context: Context,
    name: String,
    src: String,
    dest: String,
    scoped: bool,
) -> Answer<SyncProject> {
    change_ends(&context, name, src, dest, Some(scoped)).await
}

async fn change_ends(
    context: &Context,
    name: String,
    src: String,
    dest: String,
    scoped: Option<bool>,
) -> Answer<SyncProject> {
    let given = |label: String| Some(label).filter(|label| !label.is_empty());
    let details = ProjectDetails {
        src_store_label: given(src),
        dest_store_label: given(dest),
        placement: scoped.map(placement),
        ..ProjectDetails::default()
    };
    let (app, caller) = (context.app(), context.caller());
    let changed = project::project_set_details(app, caller, name, details).await?;
    Ok(changed.into())
}

async fn delete(context: Context, name: String) -> Answer<Done> {
    project::project_delete(context.app(), context.caller(), name).await?;
    Ok(Done)
}

fn placement(scoped: bool) -> String {
    let placement = if scoped {
        Placement::Scoped
    } else {
        Placement::Flat
    };
    placement.to_string()
}
