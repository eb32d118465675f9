//! Projects, with a switch for their placement: scoped is `scoped`, unscoped is `flat`, like `skopeo
//! sync` with and without `--scoped`.

use schemars::JsonSchema;
use serde::Serialize;

use super::items::SyncItem;
use super::{Answer, PAGE, project_name};
use crate::api::error::code;
use crate::api::value::{Done, Either};
use crate::api::{Context, List, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::projects::project::{self, ProjectView};
use crate::service::projects::settings::{ProjectDetails, ProjectOptions};
use crate::service::stores::image_store::store_label;
use crate::sync::Placement;

const NAME: &str = "name of the project";
const SCOPED: &str = "whether target repositories are `<source host>/<repository>`; otherwise the last part of the repository's path";

/// A project.
#[derive(Serialize, JsonSchema)]
struct SyncProject {
    id: i64,
    name: String,
    src_store_label: String,
    dest_store_label: String,
    /// Whether target repositories are `<source host>/<repository>`.
    scoped: bool,
    /// The items; only if a single project is requested.
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

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    show(ns);
    change(ns);
}

fn show(ns: &mut NamespaceBuilder<'_>) {
    const BY_NAME: &str = "projects, by name";
    ns.method("listProjects", "List the projects.", PAGE, list)
        .returns(BY_NAME)
        .read_only();
    ns.method(
        "getProjectDetails",
        "Show a project.",
        [param("id", "id of the project").or("name", NAME)],
        details,
    )
    .faults([code::NOT_FOUND])
    .returns("the project with its items")
    .read_only();
}

fn change(ns: &mut NamespaceBuilder<'_>) {
    const MAKE: &str = "Create a project.";
    let name = param("name", NAME);
    let scoped = param("scoped", SCOPED);
    let src = param("src", "id of the image store to copy from")
        .or("src", "label of the image store to copy from");
    let dest = param("dest", "id of the image store to copy to")
        .or("dest", "label of the image store to copy to");
    ns.method("createProject", MAKE, [name, src, dest, scoped], create)
        .faults([code::EXISTS, code::IMAGE_STORE_NOT_FOUND])
        .returns("the project");
    let src = param(
        "newSrc",
        "label of another image store to copy from; \"\": unchanged",
    );
    let dest = param(
        "newDest",
        "label of another image store to copy to; \"\": unchanged",
    );
    ns.method(
        "updateProject",
        "Change a project's image stores or scoping.",
        [name, src, dest, param("scope", SCOPED).optional()],
        update,
    )
    .faults([code::NOT_FOUND, code::IMAGE_STORE_NOT_FOUND])
    .returns("the project");
    ns.method(
        "deleteProject",
        "Delete a project with its items and run history; a run in progress is cancelled first.",
        [name],
        delete,
    )
    .faults([code::NOT_FOUND]);
}

async fn list(
    context: Context,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<SyncProject>> {
    let slice = Slice::optional(limit, offset)?;
    let found = project::project_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, SyncProject::from))
}

async fn details(context: Context, name: Either<i32, String>) -> Answer<SyncProject> {
    let (app, caller) = (context.app(), context.caller());
    let (view, items) = project::project_details(app, caller, project_name(name)).await?;
    let items = items.into_iter().map(SyncItem::from).collect();
    Ok(SyncProject {
        items: Some(items),
        ..view.into()
    })
}

/// The label of a store that is named by its id or its label.
async fn label(context: &Context, store: Either<i32, String>) -> Answer<String> {
    match store {
        Either::First(id) => Ok(store_label(context.app(), context.caller(), id.into()).await?),
        Either::Second(label) => Ok(label),
    }
}

async fn create(
    context: Context,
    name: String,
    src: Either<i32, String>,
    dest: Either<i32, String>,
    scoped: bool,
) -> Answer<SyncProject> {
    let (src, dest) = (label(&context, src).await?, label(&context, dest).await?);
    let options = ProjectOptions {
        placement: Some(placement(scoped)),
        ..ProjectOptions::default()
    };
    let (app, caller) = (context.app(), context.caller());
    let made = project::project_create(app, caller, name, src, dest, options).await?;
    Ok(made.into())
}

async fn update(
    context: Context,
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
