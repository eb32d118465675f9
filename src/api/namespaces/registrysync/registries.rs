//! The methods that use registries.

use serde::Serialize;

use schemars::JsonSchema;

use super::wire::image::{ImageAnswer, PlatformAnswer};
use super::{Answer, PAGE};
use crate::api::NamespaceBuilder;
use crate::api::error::code;
use crate::api::{Context, List, param};
use crate::oci::registry::ping::{Ping, PingStep};
use crate::service::paging::Slice;
use crate::service::projects::selector::SelectorOptions;
use crate::service::stores::browse;

/// Adds the methods.
pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    define_registry(ns);
    define_image(ns);
}

fn define_registry(ns: &mut NamespaceBuilder<'_>) {
    let store = || param("storeLabel", "label of the image store");
    let repository = || param("repository", "repository, such as `library/nginx`");
    let filter = || {
        param(
            "filter",
            "regular expression that names must match; \"\" for all",
        )
        .optional()
    };
    let [limit, offset] = PAGE;

    let about = "Test a registry step by step: name, connection, API, login, and supported features. If the registry can't be reached, the result has ok=false.";
    ns.method("ping", about, [store()], ping)
        .faults([code::IMAGE_STORE_NOT_FOUND])
        .returns("the steps, and the features that the registry supports")
        .read_only();
    let about = "List the repositories of a registry with a catalogue, optionally those that match a filter.";
    ns.method(
        "listRepositories",
        about,
        [store(), filter(), limit, offset],
        list_repositories,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns("repositories, in natural order")
    .read_only();
    let about = "List the tags of a repository, optionally those that match a filter.";
    ns.method(
        "listTags",
        about,
        [store(), repository(), filter(), limit, offset],
        list_tags,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns("tags, in natural order")
    .read_only();
    let about = "Show which tags a selector selects, with the reason for each tag.";
    let selector = param(
        "selector",
        "`tags`, `tags_regex`, `tags_exclude_regex`, `semver`, `newest`, `newest_by`, `newer_than_days`",
    );
    ns.method(
        "previewTags",
        about,
        [store(), repository(), selector, limit, offset],
        preview_tags,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns("one entry per tag, in natural order")
    .read_only();
}

fn define_image(ns: &mut NamespaceBuilder<'_>) {
    let store = || param("storeLabel", "label of the image store");
    let repository = || param("repository", "repository, such as `library/nginx`");
    let tag = || param("tag", "tag or digest");
    let [limit, offset] = PAGE;
    let about = "List the platforms of an image, even if there is only one.";
    ns.method(
        "listArchitectures",
        about,
        [store(), repository(), tag(), limit, offset],
        list_architectures,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns("platforms; the size is that of the configuration and the layers as stored")
    .read_only();
    let about = "Show an image for one platform, by default the first that it has.";
    let architecture = param(
        "architecture",
        "`arm64`, `linux/arm64` or `linux/arm64/v8`; aliases such as `aarch64` are accepted",
    );
    ns.method(
        "getImageDetails",
        about,
        [store(), repository(), tag(), architecture.optional()],
        get_image_details,
    )
    .faults([code::IMAGE_STORE_NOT_FOUND, code::NOT_FOUND])
    .returns("the image")
    .read_only();
}

#[derive(Serialize, JsonSchema)]
struct PingAnswer {
    ok: bool,
    steps: Vec<PingStepAnswer>,
    api_version: Option<String>,
    catalog: Option<bool>,
    referrers: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct PingStepAnswer {
    name: String,
    ok: bool,
    milliseconds: i32,
    message: Option<String>,
}

impl From<Ping> for PingAnswer {
    fn from(ping: Ping) -> PingAnswer {
        PingAnswer {
            ok: ping.is_ok(),
            steps: ping.steps.into_iter().map(PingStepAnswer::from).collect(),
            api_version: ping.api_version,
            catalog: ping.catalog,
            referrers: ping.referrers,
        }
    }
}

impl From<PingStep> for PingStepAnswer {
    fn from(step: PingStep) -> PingStepAnswer {
        PingStepAnswer {
            name: step.name.into(),
            ok: step.failure.is_none(),
            milliseconds: i32::try_from(step.took.as_millis()).unwrap_or(i32::MAX),
            message: step.failure,
        }
    }
}

async fn ping(context: Context, store: String) -> Answer<PingAnswer> {
    let ping = browse::registry_ping(context.app(), context.caller(), store).await?;
    Ok(ping.into())
}

async fn list_repositories(
    context: Context,
    store: String,
    filter: Option<String>,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<String>> {
    let (slice, filter) = (Slice::optional(limit, offset)?, filter.unwrap_or_default());
    let (app, caller) = (context.app(), context.caller());
    let found = browse::repository_list(app, caller, store, &filter).await?;
    Ok(List::whole(slice.of(found)))
}

async fn list_tags(
    context: Context,
    store: String,
    repository: String,
    filter: Option<String>,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<String>> {
    let (slice, filter) = (Slice::optional(limit, offset)?, filter.unwrap_or_default());
    let (app, caller) = (context.app(), context.caller());
    let found = browse::tag_list(app, caller, store, &repository, &filter).await?;
    Ok(List::whole(slice.of(found)))
}

#[derive(Serialize, JsonSchema)]
struct Preview {
    tag: String,
    selected: bool,
    reason: String,
}

async fn preview_tags(
    context: Context,
    store: String,
    repository: String,
    selector: SelectorOptions,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<Preview>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let found = browse::tag_preview(app, caller, store, &repository, selector).await?;
    let tags = found.verdicts.into_iter().map(|(tag, verdict)| Preview {
        tag,
        selected: verdict.selected,
        reason: verdict.reason,
    });
    let dropped = found.dropped.into_iter().map(|tag| Preview {
        tag,
        selected: false,
        reason: "not a valid tag".into(),
    });
    Ok(List::whole(slice.of(tags.chain(dropped))))
}

async fn list_architectures(
    context: Context,
    store: String,
    repository: String,
    tag: String,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<Vec<PlatformAnswer>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let found = browse::platform_list(app, caller, store, &repository, &tag).await?;
    Ok(slice.of(found.into_iter().map(PlatformAnswer::from)))
}

async fn get_image_details(
    context: Context,
    store: String,
    repository: String,
    tag: String,
    architecture: Option<String>,
) -> Answer<ImageAnswer> {
    let (app, caller) = (context.app(), context.caller());
    let choice = architecture.as_deref();
    let details = browse::image_details(app, caller, store, &repository, &tag, choice).await?;
    Ok(details.into())
}
