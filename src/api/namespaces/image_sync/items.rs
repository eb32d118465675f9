//! The repositories of a project.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, project_name};
use crate::api::error::code;
use crate::api::value::{Done, Either};
use crate::api::{Context, NamespaceBuilder, param};
use crate::service::projects::item::{self, ItemView};
use crate::service::projects::item_spec::{ItemDetails, ItemOptions};

const REPOSITORY: &str = "source repository, such as `library/nginx`";
const TAGS: &str = "literal tags and digests";
const REGEX: &str = "regular expression that tags must match; \"\" for none";
const ITEM_ID: &str = "id of the item";

/// An item.
#[derive(Serialize, JsonSchema)]
pub(super) struct SyncItem {
    id: i64,
    /// "" if it names its repositories by pattern.
    repository: String,
    /// Literal tags and digests.
    tags: Vec<String>,
    /// "" if there is none.
    tags_regex: String,
}

impl From<ItemView> for SyncItem {
    fn from(view: ItemView) -> SyncItem {
        let selector = view.spec.selector;
        SyncItem {
            id: view.id,
            repository: view.spec.repositories.path().to_owned(),
            tags: selector.tags,
            tags_regex: selector.tags_regex.unwrap_or_default(),
        }
    }
}

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    const ADD: &str = "Add a repository to a project.";
    const ADDED: &str = "the item; without tags and expression it selects all tags";
    let project = param("project", "id of the project").or("project", "name of the project");
    let (repository, tags) = (param("repository", REPOSITORY), param("tags", TAGS));
    let regex = param("tagsRegex", REGEX);
    ns.method(
        "createSyncItem",
        ADD,
        [project, repository, tags.optional(), regex.optional()],
        add,
    )
    .faults([code::NOT_FOUND])
    .overloads([&["tags"], &["tagsRegex"], &["tags", "tagsRegex"]])
    .returns(ADDED);
    ns.method(
        "updateImageSyncItem",
        "Change an item's repository and tags.",
        [param("itemId", ITEM_ID), repository, tags, regex],
        update,
    )
    .faults([code::NOT_FOUND])
    .returns("the item");
    ns.method(
        "deleteSyncItem",
        "Remove an item from its project.",
        [param("itemId", ITEM_ID)],
        delete,
    )
    .faults([code::NOT_FOUND]);
}

async fn add(
    context: Context,
    project: Either<i32, String>,
    repository: String,
    tags: Option<Vec<String>>,
    regex: Option<String>,
) -> Answer<SyncItem> {
    let options = ItemOptions::default().with_parameters(tags, regex)?;
    let (app, caller) = (context.app(), context.caller());
    let added = item::item_add(app, caller, project_name(project), repository, options).await?;
    Ok(added.into())
}

async fn update(
    context: Context,
    id: i32,
    repository: String,
    tags: Vec<String>,
    regex: String,
) -> Answer<SyncItem> {
    let details = ItemDetails {
        repository: Some(repository),
        tags: Some(tags),
        tags_regex: Some(regex),
        ..ItemDetails::default()
    };
    let (app, caller) = (context.app(), context.caller());
    let changed = item::item_update(app, caller, id.into(), details).await?;
    Ok(changed.into())
}

async fn delete(context: Context, id: i32) -> Answer<Done> {
    item::item_remove(context.app(), context.caller(), id.into()).await?;
    Ok(Done)
}
