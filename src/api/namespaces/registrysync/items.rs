//! Sync items, which the API calls images.

use super::wire::Item;
use super::{Answer, LABEL, PAGE};
use crate::api::error::code;
use crate::api::value::Done;
use crate::api::{Context, List, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::projects::item;
use crate::service::projects::item_spec::{ItemDetails, ItemOptions};
use crate::service::projects::lookup::ProjectName;

const REPOSITORY: &str =
    "source repository, such as `library/nginx`; \"\" with `repositories_regex`";
const TAGS: &str = "literal tags and digests";
const REGEX: &str = "regular expression that tags must match";
const ITEM_OPTIONS: &str =
    "`repositories_regex`, further selectors, `architectures`, `target_repository`, `on_empty`";
const ALL_TAGS: &str = "the item; without selectors it selects all tags";

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    adding(ns);
    others(ns);
}

fn adding(ns: &mut NamespaceBuilder<'_>) {
    const DOC: &str = "Add a repository to a project.";
    let params = [
        param("label", LABEL),
        param("repository", REPOSITORY),
        param("tags", TAGS).optional(),
        param("tagsRegex", REGEX).optional(),
        param("options", ITEM_OPTIONS).optional(),
    ];
    ns.method("addImage", DOC, params, add)
        .faults([code::NOT_FOUND])
        .overloads([
            &["tags"],
            &["tagsRegex"],
            &["tags", "options"],
            &["tagsRegex", "options"],
            &["tags", "tagsRegex"],
            &["tags", "tagsRegex", "options"],
        ])
        .returns(ALL_TAGS);
}

async fn add(
    context: Context,
    label: String,
    repository: String,
    tags: Option<Vec<String>>,
    regex: Option<String>,
    options: Option<ItemOptions>,
) -> Answer<Item> {
    let options = options.unwrap_or_default().with_parameters(tags, regex)?;
    let (app, caller) = (context.app(), context.caller());
    let project = ProjectName::Label(label);
    let added = item::item_add(app, caller, project, repository, options).await?;
    Ok(added.into())
}

fn others(ns: &mut NamespaceBuilder<'_>) {
    let [limit, offset] = PAGE;
    ns.method(
        "listImages",
        "List a project's items.",
        [param("label", LABEL), limit, offset],
        list_images,
    )
    .faults([code::NOT_FOUND])
    .returns("items, in the order they were added")
    .read_only();
    ns.method(
        "updateImage",
        "Change an item; omitted members stay unchanged, \"\" and [] unset a member.",
        [
            param("itemId", "id of the item"),
            param(
                "details",
                "`repository`, selectors and options of `addImage`",
            ),
        ],
        update_image,
    )
    .faults([code::NOT_FOUND])
    .returns("the item");
    ns.method(
        "removeImage",
        "Remove an item from its project.",
        [param("itemId", "id of the item")],
        remove_image,
    )
    .faults([code::NOT_FOUND]);
}

async fn list_images(
    context: Context,
    label: String,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<Item>> {
    let slice = Slice::optional(limit, offset)?;
    let found = item::item_list(context.app(), context.caller(), label, slice).await?;
    Ok(List::of_rows(found, Item::from))
}

async fn update_image(context: Context, id: i32, details: ItemDetails) -> Answer<Item> {
    let (app, caller) = (context.app(), context.caller());
    Ok(item::item_update(app, caller, id.into(), details)
        .await?
        .into())
}

async fn remove_image(context: Context, id: i32) -> Answer<Done> {
    item::item_remove(context.app(), context.caller(), id.into()).await?;
    Ok(Done)
}
