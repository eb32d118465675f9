//! `image.store`: the registries to copy from and to.

use super::{Answer, PAGE};
use crate::api::Builder;
use crate::api::List;
use crate::api::context::Context;
use crate::api::error::code;
use crate::api::method::{Param, param};
use crate::api::value::Done;
use crate::service::paging::Slice;
use crate::service::stores::image_store::{self as service, StoreDetails, StoreType};
use crate::service::stores::settings::{StoreChange, StoreCredentials};

const LABEL: Param = param("label", "the label of the image store");

pub(super) fn define(builder: &mut Builder) {
    let doc = "Image stores: the registries to copy from and to.";
    builder.namespace("image.store", "ImageStoreHandler", doc, |ns| {
        let params = [
            LABEL,
            param(
                "uri",
                "`host[:port][/path-prefix]`, optionally with `https://` or `http://`",
            ),
            param("storeType", "the type: `registry`"),
            param("credentials", "login and connection settings; may be empty"),
        ];
        ns.method("create", "Create an image store.", params, create)
            .faults([code::BAD_PARAMETER]);
        ns.method(
            "listImageStoreTypes",
            "List the supported types of image stores.",
            PAGE,
            list_types,
        )
        .returns("the types")
        .read_only();
        ns.method("listImageStores", "List the image stores.", PAGE, list)
            .returns("the image stores, by label")
            .read_only();
        ns.method("getDetails", "Show an image store.", [LABEL], get_details)
            .faults([code::IMAGE_STORE_NOT_FOUND])
            .returns("the image store; its password is never returned")
            .read_only();
        let details = param(
            "details",
            "the settings to change; omitted ones stay unchanged",
        );
        ns.method(
            "setDetails",
            "Change an image store.",
            [LABEL, details],
            set_details,
        )
        .faults([code::IMAGE_STORE_NOT_FOUND, code::BAD_PARAMETER]);
        ns.method(
            "delete",
            "Delete an image store that no project uses.",
            [LABEL],
            delete,
        )
        .faults([code::IMAGE_STORE_NOT_FOUND]);
    });
}

async fn create(
    context: Context,
    label: String,
    uri: String,
    store_type: String,
    credentials: StoreCredentials,
) -> Answer<Done> {
    let (app, caller) = (context.app(), context.caller());
    service::store_create(app, caller, label, uri, &store_type, credentials).await?;
    Ok(Done)
}

async fn list_types(_: Context, limit: Option<i32>, offset: Option<i32>) -> Answer<Vec<StoreType>> {
    Ok(Slice::optional(limit, offset)?.of(service::store_types()))
}

async fn list(
    context: Context,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<StoreDetails>> {
    let slice = Slice::optional(limit, offset)?;
    let found = service::store_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, |store| store))
}

async fn get_details(context: Context, label: String) -> Answer<StoreDetails> {
    Ok(service::store_details(context.app(), context.caller(), label).await?)
}

async fn set_details(context: Context, label: String, details: StoreChange) -> Answer<Done> {
    service::store_change(context.app(), context.caller(), label, details).await?;
    Ok(Done)
}

async fn delete(context: Context, label: String) -> Answer<Done> {
    service::store_delete(context.app(), context.caller(), label).await?;
    Ok(Done)
}
