//! `image.store`: the registries that are copied from and to.

use crate::api::List;
use crate::api::context::Context;
use crate::api::error::ApiError;
use crate::api::method::{Param, param};
use crate::api::registry::{Builder, Namespace};
use crate::api::value::Done;
use crate::service::paging::Slice;
use crate::service::stores::image_store::{self as service, StoreDetails, StoreType};
use crate::service::stores::settings::{StoreChange, StoreCredentials};

const LABEL: Param = param("label", "the label of the image store");

pub(super) fn define(builder: &mut Builder) {
    let doc = "The registries that images are copied from and to.";
    builder.namespace("image.store", "ImageStoreHandler", doc, |ns| {
        let params = [
            LABEL,
            param(
                "uri",
                "`host[:port][/path-prefix]`, also with `https://` or `http://`",
            ),
            param("storeType", "the type: `registry`"),
            param("credentials", "the login and how to connect; may be empty"),
        ];
        ns.method("create", "Make an image store.", params, create)
            .returns("1 on success");
        ns.method(
            "listImageStoreTypes",
            "List the types of image stores.",
            [],
            list_types,
        )
        .returns("the types")
        .read_only();
        ns.method("listImageStores", "List the image stores.", [], list)
            .returns("the image stores, by label")
            .read_only();
        slices(ns);
        ns.method("getDetails", "Show an image store.", [LABEL], get_details)
            .returns("the image store; its password never comes back")
            .read_only();
        let details = param("details", "what changes; what is left out stays");
        ns.method(
            "setDetails",
            "Change an image store.",
            [LABEL, details],
            set_details,
        )
        .returns("1 on success");
        ns.method(
            "delete",
            "Delete an image store that no project uses.",
            [LABEL],
            delete,
        )
        .returns("1 on success");
    });
}

fn slices(ns: &mut Namespace) {
    let limit = param("limit", super::LIMIT);
    let offset = param("offset", super::OFFSET);
    ns.method(
        "listImageStores",
        "List a part of the image stores.",
        [limit, offset],
        list_slice,
    )
    .returns("the image stores, by label")
    .read_only();
    ns.method(
        "listImageStoreTypes",
        "List a part of the types of image stores.",
        [limit, offset],
        list_types_slice,
    )
    .returns("the types")
    .read_only();
}

async fn create(
    context: Context,
    label: String,
    uri: String,
    store_type: String,
    credentials: StoreCredentials,
) -> Result<Done, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    service::store_create(app, caller, label, uri, &store_type, credentials).await?;
    Ok(Done)
}

async fn list_types(_: Context) -> Result<Vec<StoreType>, ApiError> {
    Ok(service::store_types())
}

async fn list_types_slice(_: Context, limit: i32, offset: i32) -> Result<Vec<StoreType>, ApiError> {
    Ok(Slice::new(limit.into(), offset.into())?.of(service::store_types()))
}

async fn list_slice(
    context: Context,
    limit: i32,
    offset: i32,
) -> Result<List<StoreDetails>, ApiError> {
    stores(&context, Slice::new(limit.into(), offset.into())?).await
}

async fn list(context: Context) -> Result<List<StoreDetails>, ApiError> {
    stores(&context, Slice::ALL).await
}

async fn stores(context: &Context, slice: Slice) -> Result<List<StoreDetails>, ApiError> {
    let found = service::store_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, |store| store))
}

async fn get_details(context: Context, label: String) -> Result<StoreDetails, ApiError> {
    Ok(service::store_details(context.app(), context.caller(), label).await?)
}

async fn set_details(
    context: Context,
    label: String,
    details: StoreChange,
) -> Result<Done, ApiError> {
    service::store_change(context.app(), context.caller(), label, details).await?;
    Ok(Done)
}

async fn delete(context: Context, label: String) -> Result<Done, ApiError> {
    service::store_delete(context.app(), context.caller(), label).await?;
    Ok(Done)
}
