//! What is in a store.

use super::{Answer, LIMIT, OFFSET};
use crate::api::{Context, List, Namespace, param};
use crate::service::paging::Slice;
use crate::service::stores::browse;

pub(super) fn define(ns: &mut Namespace) {
    const NATURAL: &str = "names, in natural order";
    let store = param("storeLabel", "label of the image store");
    let filter = param("filter", "a regular expression; \"\" for all");
    let image = param("image", "repository, such as `library/nginx`");
    let (limit, offset) = (param("limit", LIMIT), param("offset", OFFSET));
    let about =
        "List the repositories of an image store in which a regular expression finds something.";
    ns.method("listImages", about, [store, filter], list_images)
        .returns(NATURAL)
        .read_only();
    ns.method(
        "listImages",
        "List a part of the repositories of an image store.",
        [store, filter, limit, offset],
        list_images_slice,
    )
    .returns(NATURAL)
    .read_only();
    ns.method(
        "listImageTags",
        "List the tags of a repository.",
        [store, image],
        list_tags,
    )
    .returns(NATURAL)
    .read_only();
    ns.method(
        "listImageTags",
        "List a part of the tags of a repository.",
        [store, image, limit, offset],
        list_tags_slice,
    )
    .returns(NATURAL)
    .read_only();
}

async fn list_images(context: Context, store: String, filter: String) -> Answer<List<String>> {
    images(context, store, filter, Slice::ALL).await
}

async fn images(
    context: Context,
    store: String,
    filter: String,
    slice: Slice,
) -> Answer<List<String>> {
    let (app, caller) = (context.app(), context.caller());
    let found = browse::repository_list(app, caller, store, &filter).await?;
    Ok(List::whole(slice.of(found)))
}

async fn list_images_slice(
    context: Context,
    store: String,
    filter: String,
    limit: i32,
    offset: i32,
) -> Answer<List<String>> {
    let slice = Slice::new(limit.into(), offset.into())?;
    images(context, store, filter, slice).await
}

async fn list_tags(context: Context, store: String, image: String) -> Answer<List<String>> {
    tags(context, store, image, Slice::ALL).await
}

async fn tags(
    context: Context,
    store: String,
    image: String,
    slice: Slice,
) -> Answer<List<String>> {
    let (app, caller) = (context.app(), context.caller());
    let found = browse::tag_list(app, caller, store, &image, "").await?;
    Ok(List::whole(slice.of(found)))
}

async fn list_tags_slice(
    context: Context,
    store: String,
    image: String,
    limit: i32,
    offset: i32,
) -> Answer<List<String>> {
    let slice = Slice::new(limit.into(), offset.into())?;
    tags(context, store, image, slice).await
}
