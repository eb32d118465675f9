//! The content of a store.

use super::{Answer, PAGE};
use crate::api::error::code;
use crate::api::{Context, List, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::stores::browse;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    const NATURAL: &str = "names, in natural order";
    let store = param("storeLabel", "label of the image store");
    let filter = param(
        "filter",
        "regular expression that names must match; \"\" for all",
    );
    let image = param("image", "repository, such as `library/nginx`");
    let [limit, offset] = PAGE;
    let about = "List the repositories of an image store that match a regular expression.";
    ns.method(
        "listImages",
        about,
        [store, filter, limit, offset],
        list_images,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns(NATURAL)
    .read_only();
    ns.method(
        "listImageTags",
        "List the tags of a repository.",
        [store, image, limit, offset],
        list_tags,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns(NATURAL)
    .read_only();
}

async fn list_images(
    context: Context,
    store: String,
    filter: String,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<String>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let found = browse::repository_list(app, caller, store, &filter).await?;
    Ok(List::whole(slice.of(found)))
}

async fn list_tags(
    context: Context,
    store: String,
    image: String,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<String>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let found = browse::tag_list(app, caller, store, &image, "").await?;
    Ok(List::whole(slice.of(found)))
}
