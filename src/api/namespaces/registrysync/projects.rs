//! Sync projects.

use super::wire::Project;
use super::{Answer, LABEL, LIMIT, OFFSET};
use crate::api::value::Done;
use crate::api::{Context, List, Namespace, param};
use crate::service::paging::Slice;
use crate::service::projects::lookup::ProjectName;
use crate::service::projects::project;
use crate::service::projects::settings::{ProjectDetails, ProjectOptions};

pub(super) fn define(ns: &mut Namespace) {
    show(ns);
    change(ns);
}

fn show(ns: &mut Namespace) {
    ns.method("listProjects", "List all projects.", [], list_projects)
        .returns("projects, by label")
        .read_only();
    ns.method(
        "listProjects",
        "List a part of the projects.",
        [param("limit", LIMIT), param("offset", OFFSET)],
        list_projects_slice,
    )
    .returns("projects, by label")
    .read_only();
    ns.method(
        "getDetails",
        "Show a project.",
        [param("id", "id of the project")],
        details_by_id,
    )
    .returns("the project with its items")
    .read_only();
    ns.method(
        "getDetails",
        "Show a project.",
        [param("label", LABEL)],
        details_by_label,
    )
    .returns("the project with its items")
    .read_only();
}

async fn list_projects(context: Context) -> Answer<List<Project>> {
    projects_of(&context, Slice::ALL).await
}

async fn list_projects_slice(context: Context, limit: i32, offset: i32) -> Answer<List<Project>> {
    projects_of(&context, Slice::new(limit.into(), offset.into())?).await
}

async fn projects_of(context: &Context, slice: Slice) -> Answer<List<Project>> {
    let found = project::project_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, Project::from))
}

async fn details_by_id(context: Context, id: i32) -> Answer<Project> {
    details(&context, ProjectName::Id(id.into())).await
}

async fn details_by_label(context: Context, label: String) -> Answer<Project> {
    details(&context, ProjectName::Label(label)).await
}

async fn details(context: &Context, name: ProjectName) -> Answer<Project> {
    let (view, items) = project::project_details(context.app(), context.caller(), name).await?;
    Ok(Project::from(view).with_items(items))
}

fn change(ns: &mut Namespace) {
    let ends = [
        param(
            "label",
            "label of the new project; unique in the organisation",
        ),
        param("srcStore", "label of the image store to copy from"),
        param("destStore", "label of the image store to copy to"),
    ];
    let [label, source, target] = ends;
    let options = param(
        "options",
        "`placement`, `architectures`, `on_empty`, `description`, `enabled`, `max_parallel`",
    );
    ns.method("create", "Make a project.", ends, create)
        .returns("the project");
    ns.method(
        "create",
        "Make a project with options.",
        [label, source, target, options],
        create_with,
    )
    .returns("the project");
    ns.method(
        "setDetails",
        "Change a project; what is left out stays as it is.",
        [
            param("label", LABEL),
            param(
                "details",
                "options of `create`, `src_store_label`, `dest_store_label`, `version`",
            ),
        ],
        set_details,
    )
    .returns("the project");
    ns.method(
        "delete",
        "Delete a project with its items and the history of its runs; a run that goes on is cancelled first.",
        [param("label", LABEL)],
        delete,
    );
}

async fn create(context: Context, label: String, src: String, dest: String) -> Answer<Project> {
    create_with(context, label, src, dest, ProjectOptions::default()).await
}

async fn create_with(
    context: Context,
    label: String,
    src: String,
    dest: String,
    options: ProjectOptions,
) -> Answer<Project> {
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
