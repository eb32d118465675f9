//! Sync projects.

use super::wire::Project;
use super::{Answer, LABEL, PAGE, project_name};
use crate::api::error::code;
use crate::api::value::{Done, Either};
use crate::api::{Context, List, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::projects::project;
use crate::service::projects::settings::{ProjectDetails, ProjectOptions};

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    show(ns);
    change(ns);
}

fn show(ns: &mut NamespaceBuilder<'_>) {
    ns.method("listProjects", "List the projects.", PAGE, list_projects)
        .returns("projects, by label")
        .read_only();
    ns.method(
        "getDetails",
        "Show a project.",
        [param("id", "id of the project").or("label", LABEL)],
        get_details,
    )
    .faults([code::NOT_FOUND])
    .returns("the project with its items")
    .read_only();
}

async fn list_projects(
    context: Context,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<Project>> {
    let slice = Slice::optional(limit, offset)?;
    let found = project::project_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, Project::from))
}

async fn get_details(context: Context, name: Either<i32, String>) -> Answer<Project> {
    let (app, caller) = (context.app(), context.caller());
    let (view, items) = project::project_details(app, caller, project_name(name)).await?;
    Ok(Project::from(view).with_items(items))
}

fn change(ns: &mut NamespaceBuilder<'_>) {
    let params = [
        param(
            "label",
            "label of the new project; unique in the organisation",
        ),
        param("srcStore", "label of the image store to copy from"),
        param("destStore", "label of the image store to copy to"),
        param(
            "options",
            "`placement`, `target_tag`, `architectures`, `index`, `on_empty`, `referrers`, `prune`, \
             `prune_limit`, `prune_protect_regex`, `prune_retain`, `backup_tag`, `description`, `enabled`, \
             `max_parallel`",
        )
        .optional(),
    ];
    ns.method("create", "Create a project.", params, create)
        .faults([code::EXISTS, code::IMAGE_STORE_NOT_FOUND])
        .returns("the project");
    ns.method(
        "setDetails",
        "Change a project; omitted members stay unchanged.",
        [
            param("label", LABEL),
            param(
                "details",
                "options of `create`, `src_store_label`, `dest_store_label`, `version`",
            ),
        ],
        set_details,
    )
    .faults([code::NOT_FOUND, code::IMAGE_STORE_NOT_FOUND])
    .returns("the project");
    ns.method(
        "delete",
        "Delete a project with its items and run history; a run in progress is cancelled first.",
        [param("label", LABEL)],
        delete,
    )
    .faults([code::NOT_FOUND]);
}

async fn create(
    context: Context,
    label: String,
    src: String,
    dest: String,
    options: Option<ProjectOptions>,
) -> Answer<Project> {
    let options = options.unwrap_or_default();
    let (app, caller) = (context.app(), context.caller());
    let made = project::project_create(app, caller, label, src, dest, options).await?;
    Ok(made.into())
}

async fn set_details(context: Context, label: String, details: ProjectDetails) -> Answer<Project> {
    let (app, caller) = (context.app(), context.caller());
    let changed = project::project_set_details(app, caller, label, details).await?;
    Ok(changed.into())
}

async fn delete(context: Context, label: String) -> Answer<Done> {
    project::project_delete(context.app(), context.caller(), label).await?;
    Ok(Done)
}
