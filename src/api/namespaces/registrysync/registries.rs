//! The methods that look into registries.

use serde::{Deserialize, Serialize};

use schemars::JsonSchema;

use super::wire::image::{ImageAnswer, PlatformAnswer};
use super::{LIMIT, OFFSET};
use crate::api::registry::Namespace;
use crate::api::{ApiError, Context, List, param};
use crate::oci::registry::ping::{Ping, PingStep};
use crate::service::paging::Slice;
use crate::service::stores::browse;
use crate::sync::SelectorSpec;

/// Adds the methods.
pub(super) fn define(ns: &mut Namespace) {
    define_registry(ns);
    define_image(ns);
}

fn define_registry(ns: &mut Namespace) {
    let store = || param("storeLabel", "label of the image store");
    let repository = || param("repository", "repository, such as `library/nginx`");
    let filter = || param("filter", "a regular expression; \"\" for all");
    let limit = || param("limit", LIMIT);
    let offset = || param("offset", OFFSET);

    let about = "Try a registry, step by step: name, connection, API and login, and what it supports. A registry that can't be reached is an answer with ok=false.";
    ns.method("ping", about, [store()], ping)
        .returns("the steps, and what the registry supports")
        .read_only();
    let about = "List the repositories of a registry that has a catalogue.";
    ns.method("listRepositories", about, [store()], list_repositories)
        .returns("repositories, in natural order")
        .read_only();
    let about = "List the repositories in which a regular expression finds something.";
    ns.method(
        "listRepositories",
        about,
        [store(), filter()],
        list_repositories_filter,
    )
    .returns("repositories, in natural order")
    .read_only();
    let about = "List a part of the repositories.";
    ns.method(
        "listRepositories",
        about,
        [store(), filter(), limit(), offset()],
        list_repositories_page,
    )
    .returns("repositories, in natural order")
    .read_only();
    let about = "List the tags of a repository.";
    ns.method("listTags", about, [store(), repository()], list_tags)
        .returns("tags, in natural order")
        .read_only();
    let about = "List the tags in which a regular expression finds something.";
    ns.method(
        "listTags",
        about,
        [store(), repository(), filter()],
        list_tags_filter,
    )
    .returns("tags, in natural order")
    .read_only();
    let about = "List a part of the tags.";
    ns.method(
        "listTags",
        about,
        [store(), repository(), filter(), limit(), offset()],
        list_tags_page,
    )
    .returns("tags, in natural order")
    .read_only();
    let about = "Show which tags a selector picks now, and why each other one is left out.";
    let selector = param(
        "selector",
        "`tags`, `tags_regex`, `tags_exclude_regex`, `semver`",
    );
    ns.method(
        "previewTags",
        about,
        [store(), repository(), selector],
        preview_tags,
    )
    .returns("one entry for each tag, in natural order")
    .read_only();
    let about = "Show a part of which tags a selector picks now.";
    ns.method(
        "previewTags",
        about,
        [store(), repository(), selector, limit(), offset()],
        preview_tags_page,
    )
    .returns("one entry for each tag, in natural order")
    .read_only();
}

fn define_image(ns: &mut Namespace) {
    let store = || param("storeLabel", "label of the image store");
    let repository = || param("repository", "repository, such as `library/nginx`");
    let tag = || param("tag", "tag or digest");
    let about = "List the platforms of an image, also of one with a single platform.";
    ns.method(
        "listArchitectures",
        about,
        [store(), repository(), tag()],
        list_architectures,
    )
    .returns("platforms; the size is configuration plus layers as stored")
    .read_only();
    ns.method(
        "listArchitectures",
        "List a part of the platforms of an image.",
        [
            store(),
            repository(),
            tag(),
            param("limit", LIMIT),
            param("offset", OFFSET),
        ],
        list_architectures_page,
    )
    .returns("platforms; the size is configuration plus layers as stored")
    .read_only();
    let about = "Show an image; of several platforms, the first one.";
    ns.method(
        "getImageDetails",
        about,
        [store(), repository(), tag()],
        get_image_details,
    )
    .returns("the image")
    .read_only();
    let about = "Show the image of one platform.";
    let architecture = param(
        "architecture",
        "`arm64`, `linux/arm64` or `linux/arm64/v8`; `aarch64` and such are understood",
    );
    ns.method(
        "getImageDetails",
        about,
        [store(), repository(), tag(), architecture],
        get_image_details_architecture,
    )
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

async fn ping(context: Context, store: String) -> Result<PingAnswer, ApiError> {
    let ping = browse::registry_ping(context.app(), context.caller(), store).await?;
    Ok(ping.into())
}

async fn list_repositories(context: Context, store: String) -> Result<List<String>, ApiError> {
    repositories(context, store, String::new(), Slice::ALL).await
}

async fn list_repositories_filter(
    context: Context,
    store: String,
    filter: String,
) -> Result<List<String>, ApiError> {
    repositories(context, store, filter, Slice::ALL).await
}

async fn list_repositories_page(
    context: Context,
    store: String,
    filter: String,
    limit: i32,
    offset: i32,
) -> Result<List<String>, ApiError> {
    let slice = Slice::new(limit.into(), offset.into())?;
    repositories(context, store, filter, slice).await
}

async fn repositories(
    context: Context,
    store: String,
    filter: String,
    slice: Slice,
) -> Result<List<String>, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    let found = browse::repository_list(app, caller, store, &filter).await?;
    Ok(List::whole(slice.of(found)))
}

async fn list_tags(
    context: Context,
    store: String,
    repository: String,
) -> Result<List<String>, ApiError> {
    tags(context, store, repository, String::new(), Slice::ALL).await
}

async fn list_tags_filter(
    context: Context,
    store: String,
    repository: String,
    filter: String,
) -> Result<List<String>, ApiError> {
    tags(context, store, repository, filter, Slice::ALL).await
}

async fn list_tags_page(
    context: Context,
    store: String,
    repository: String,
    filter: String,
    limit: i32,
    offset: i32,
) -> Result<List<String>, ApiError> {
    let slice = Slice::new(limit.into(), offset.into())?;
    tags(context, store, repository, filter, slice).await
}

async fn tags(
    context: Context,
    store: String,
    repository: String,
    filter: String,
    slice: Slice,
) -> Result<List<String>, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    let found = browse::tag_list(app, caller, store, &repository, &filter).await?;
    Ok(List::whole(slice.of(found)))
}

/// Which tags, as `addImage` takes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SelectorOptions {
    tags: Option<Vec<String>>,
    tags_regex: Option<String>,
    tags_exclude_regex: Option<String>,
    semver: Option<String>,
}

impl From<SelectorOptions> for SelectorSpec {
    fn from(options: SelectorOptions) -> SelectorSpec {
        SelectorSpec {
            tags: options.tags.unwrap_or_default(),
            tags_regex: options.tags_regex,
            tags_exclude_regex: options.tags_exclude_regex,
            semver: options.semver,
        }
    }
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
) -> Result<List<Preview>, ApiError> {
    preview(context, store, repository, selector, Slice::ALL).await
}

async fn preview(
    context: Context,
    store: String,
    repository: String,
    selector: SelectorOptions,
    slice: Slice,
) -> Result<List<Preview>, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    let spec = SelectorSpec::from(selector);
    let found = browse::tag_preview(app, caller, store, &repository, &spec).await?;
    let tags = found.verdicts.into_iter().map(|(tag, verdict)| Preview {
        tag,
        selected: verdict.selected,
        reason: verdict.reason,
    });
    let dropped = found.dropped.into_iter().map(|tag| Preview {
        tag,
        selected: false,
        reason: "not a legal tag".into(),
    });
    Ok(List::whole(slice.of(tags.chain(dropped))))
}

async fn list_architectures(
    context: Context,
    store: String,
    repository: String,
    tag: String,
) -> Result<Vec<PlatformAnswer>, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    let found = browse::platform_list(app, caller, store, &repository, &tag).await?;
    Ok(found.into_iter().map(PlatformAnswer::from).collect())
}

async fn list_architectures_page(
    context: Context,
    store: String,
    repository: String,
    tag: String,
    limit: i32,
    offset: i32,
) -> Result<Vec<PlatformAnswer>, ApiError> {
    let slice = Slice::new(limit.into(), offset.into())?;
    Ok(slice.of(list_architectures(context, store, repository, tag).await?))
}

async fn preview_tags_page(
    context: Context,
    store: String,
    repository: String,
    selector: SelectorOptions,
    limit: i32,
    offset: i32,
) -> Result<List<Preview>, ApiError> {
    let slice = Slice::new(limit.into(), offset.into())?;
    preview(context, store, repository, selector, slice).await
}

async fn get_image_details(
    context: Context,
    store: String,
    repository: String,
    tag: String,
) -> Result<ImageAnswer, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    let details = browse::image_details(app, caller, store, &repository, &tag, None).await?;
    Ok(details.into())
}

async fn get_image_details_architecture(
    context: Context,
    store: String,
    repository: String,
    tag: String,
    architecture: String,
) -> Result<ImageAnswer, ApiError> {
    let (app, caller) = (context.app(), context.caller());
    let choice = Some(architecture.as_str());
    let details = browse::image_details(app, caller, store, &repository, &tag, choice).await?;
    Ok(details.into())
}
