//! Sync items, which the API calls images.

use super::wire::Item;
use super::{Answer, LABEL, LIMIT, OFFSET};
use crate::api::value::Done;
use crate::api::{Context, List, Namespace, param};
use crate::service::paging::Slice;
use crate::service::projects::item;
use crate::service::projects::item_spec::{ItemDetails, ItemOptions};
use crate::service::projects::lookup::ProjectName;

const REPOSITORY: &str = "source repository, such as `library/nginx`";
const TAGS: &str = "tags and digests, named literally";
const REGEX: &str = "regular expression that is searched in each tag";
const ITEM_OPTIONS: &str = "further selectors, `architectures`, `target_repository`, `on_empty`";
const ALL_TAGS: &str = "the item; without tags and expression it takes all tags";

pub(super) fn define(ns: &mut Namespace) {
    adding(ns);
    others(ns);
}

fn adding(ns: &mut Namespace) {
    const DOC: &str = "Add a repository to a project.";
    let (label, repository) = (param("label", LABEL), param("repository", REPOSITORY));
    let (tags, regex) = (param("tags", TAGS), param("tagsRegex", REGEX));
    let options = param("options", ITEM_OPTIONS);
    ns.method("addImage", DOC, [label, repository, tags], add_tags)
        .returns(ALL_TAGS);
    ns.method("addImage", DOC, [label, repository, regex], add_regex)
        .returns(ALL_TAGS);
    ns.method(
        "addImage",
        DOC,
        [label, repository, tags, options],
        add_tags_with,
    )
    .returns(ALL_TAGS);
    ns.method(
        "addImage",
        DOC,
        [label, repository, regex, options],
        add_regex_with,
    )
    .returns(ALL_TAGS);
    ns.method("addImage", DOC, [label, repository, tags, regex], add_both)
        .returns(ALL_TAGS);
    ns.method(
        "addImage",
        DOC,
        [label, repository, tags, regex, options],
        add_both_with,
    )
    .returns(ALL_TAGS);
}

async fn add_tags(
    context: Context,
    label: String,
    repository: String,
    tags: Vec<String>,
) -> Answer<Item> {
    add(&context, label, repository, Some(tags), None, None).await
}

async fn add_regex(
    context: Context,
    label: String,
    repository: String,
    regex: String,
) -> Answer<Item> {
    add(&context, label, repository, None, Some(regex), None).await
}

async fn add_tags_with(
    context: Context,
    label: String,
    repository: String,
    tags: Vec<String>,
    options: ItemOptions,
) -> Answer<Item> {
    add(&context, label, repository, Some(tags), None, Some(options)).await
}

async fn add_regex_with(
    context: Context,
    label: String,
    repository: String,
    regex: String,
    options: ItemOptions,
) -> Answer<Item> {
    add(
        &context,
        label,
        repository,
        None,
        Some(regex),
        Some(options),
    )
    .await
}

async fn add_both(
    context: Context,
    label: String,
    repository: String,
    tags: Vec<String>,
    regex: String,
) -> Answer<Item> {
    add(&context, label, repository, Some(tags), Some(regex), None).await
}

async fn add_both_with(
    context: Context,
    label: String,
    repository: String,
    tags: Vec<String>,
    regex: String,
    options: ItemOptions,
) -> Answer<Item> {
    add(
        &context,
        label,
        repository,
        Some(tags),
        Some(regex),
        Some(options),
    )
    .await
}

async fn add(
    context: &Context,
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

fn others(ns: &mut Namespace) {
    let label = param("label", LABEL);
    ns.method(
        "listImages",
        "List a project's items.",
        [label],
        list_images,
    )
    .returns("items, in the order in which they were added")
    .read_only();
    ns.method(
        "listImages",
        "List a part of a project's items.",
        [label, param("limit", LIMIT), param("offset", OFFSET)],
        list_images_slice,
    )
    .returns("items, in the order in which they were added")
    .read_only();
    ns.method(
        "updateImage",
        "Change an item; what is left out stays as it is, \"\" and [] unset.",
        [
            param("itemId", "id of the item"),
            param(
                "details",
                "`repository`, selectors and options of `addImage`",
            ),
        ],
        update_image,
    )
    .returns("the item");
    ns.method(
        "removeImage",
        "Take an item out of its project.",
        [param("itemId", "id of the item")],
        remove_image,
    );
}

async fn list_images(context: Context, label: String) -> Answer<List<Item>> {
    items_of(&context, label, Slice::ALL).await
}

async fn list_images_slice(
    context: Context,
    label: String,
    limit: i32,
    offset: i32,
) -> Answer<List<Item>> {
    items_of(&context, label, Slice::new(limit.into(), offset.into())?).await
}

async fn items_of(context: &Context, label: String, slice: Slice) -> Answer<List<Item>> {
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
