//! Browsing a registry: connection test, repositories, tags, platforms and images.

use std::time::{Duration, Instant};

use super::settings::client_options;
use crate::blocking::spawn_blocking;
use crate::oci::registry::image::{ImageConfig, ImagePlatform};
use crate::oci::registry::ping::Ping;
use crate::oci::types::manifest::Content;
use crate::oci::{self, Client, Descriptor, Manifest, PlatformChoice, Reference, Repository};
use crate::service::error::{listed, shortened};
use crate::service::projects::selector::SelectorOptions;
use crate::service::runs::job::client::client;
use crate::service::{App, Caller, Error};
use crate::store::stores::image_store::image_store_by_label;
use crate::sync::offload::{Asker, offload};
use crate::sync::selection::natural::natural_cmp;
use crate::sync::selection::pattern::Pattern;
use crate::sync::selection::resolve::{ResolveError, selection_resolve};
use crate::sync::selection::select::Selection;
use crate::text::{NAME, readable};

/// The longest tag. Source: OCI distribution specification, "Pulling manifests".
const TAG_BYTES: usize = 128;
/// The longest name of a repository that is shown; registries allow 255.
const NAME_BYTES: usize = 255;
/// Patterns run in linear time; only a malicious one takes longer, on very many names.
const MATCH_TIME: Duration = Duration::from_mins(1);

/// An image, for output.
#[derive(Debug)]
pub struct ImageDetails {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration; empty for an artifact.
    pub config: ImageConfig,
    /// Its annotations, and the index's.
    pub annotations: std::collections::BTreeMap<String, String>,
    /// Signatures, SBOMs and attestations that refer to it, or to its index.
    pub referrers: Vec<Descriptor>,
}

/// Tests a store's registry, step by step.
pub async fn registry_ping(app: &App, caller: &Caller, store: String) -> Result<Ping, Error> {
    Ok(store_client(app, caller, store).await?.ping().await)
}

/// The repositories, sorted; only those that match `filter` (a regular expression).
pub async fn repository_list(
    app: &App,
    caller: &Caller,
    store: String,
    filter: &str,
) -> Result<Vec<String>, Error> {
    let filter = filter_compile(filter)?;
    let client = store_client(app, caller, store).await?;
    let names = client.repository_list().await.map_err(|error| {
        if error.is_no_catalogue() {
            Error::invalid(
                "storeLabel",
                format!(
                    "the registry offers this account no catalogue (`_catalog`): {error}; \
                     enter the repository yourself, such as `library/nginx`"
                ),
            )
        } else {
            refused(&error)
        }
    })?;
    sorted(names, NAME_BYTES, filter).await
}

/// The tags of a repository in natural order; only those that match `filter`.
pub async fn tag_list(
    app: &App,
    caller: &Caller,
    store: String,
    repository: &str,
    filter: &str,
) -> Result<Vec<String>, Error> {
    let filter = filter_compile(filter)?;
    let (client, repository) = place(app, caller, store, repository).await?;
    let listing = client
        .tag_listing(&repository)
        .await
        .map_err(|error| refused(&error))?;
    if let Some(warning) = listing.dropped.tags_warning() {
        tracing::warn!(%repository, "{warning}");
    }
    sorted(listing.entries, TAG_BYTES, filter).await
}

/// The platforms of an image.
pub async fn platform_list(
    app: &App,
    caller: &Caller,
    store: String,
    repository: &str,
    tag: &str,
) -> Result<Vec<ImagePlatform>, Error> {
    let reference = reference(tag)?;
    let (client, repository) = place(app, caller, store, repository).await?;
    client
        .image_platforms(&repository, &reference)
        .await
        .map_err(|error| refused(&error))
}

/// Describes an image: of an index, the image for `architecture`, or else the first one.
pub async fn image_details(
    app: &App,
    caller: &Caller,
    store: String,
    repository: &str,
    tag: &str,
    architecture: Option<&str>,
) -> Result<ImageDetails, Error> {
    let reference = reference(tag)?;
    let choice = architecture
        .map(PlatformChoice::parse)
        .transpose()
        .map_err(|error| Error::invalid("architecture", error.to_string()))?;
    let (client, repository) = place(app, caller, store, repository).await?;
    let root = client
        .manifest_get(&repository, &reference)
        .await
        .map_err(|error| refused(&error))?;
    let manifest = client
        .image_manifest(&repository, &root, choice.as_ref())
        .await
        .map_err(|error| refused(&error))?
        .ok_or_else(|| {
            no_platform(
                &reference,
                &repository,
                &platform_names(&root),
                architecture,
            )
        })?;
    let config = client
        .image_config(&repository, &manifest)
        .await
        .map_err(|error| refused(&error))?;
    if root.digest == manifest.digest
        && choice.is_some_and(|choice| !choice.matches(&config.platform))
    {
        let only = [format!("`{}`", config.platform)];
        return Err(no_platform(&reference, &repository, &only, architecture));
    }
    let mut annotations = root.annotations();
    annotations.extend(manifest.annotations());
    let mut referrers = client
        .referrer_list(&repository, &root.digest)
        .await
        .map_err(|error| refused(&error))?;
    if root.digest != manifest.digest {
        referrers.extend(
            client
                .referrer_list(&repository, &manifest.digest)
                .await
                .map_err(|error| refused(&error))?,
        );
    }
    Ok(ImageDetails {
        manifest,
        config,
        annotations,
        referrers,
    })
}

/// Which tags of a repository the selectors select, with the reason for each tag.
pub async fn tag_preview(
    app: &App,
    caller: &Caller,
    store: String,
    repository: &str,
    selector: SelectorOptions,
) -> Result<Selection, Error> {
    let selector = selector.selector()?;
    let (client, repository) = place(app, caller, store, repository).await?;
    let listing = client
        .tag_listing(&repository)
        .await
        .map_err(|error| refused(&error))?;
    let (names, dropped) = (listing.entries, listing.dropped);
    let source = client.into();
    let listed = names.clone();
    let selection = selection_resolve(&source, &repository, selector, names, Asker::Call).await;
    let mut selection = selection.map_err(|error| match error {
        ResolveError::Slow { .. } => Error::invalid("selector", error.to_string()),
        ResolveError::Source(error) => refused(&error),
    })?;
    selection.missing_deselect(&listed);
    Ok(Selection {
        dropped: dropped.named,
        ..selection
    })
}

async fn store_client(app: &App, caller: &Caller, label: String) -> Result<Client, Error> {
    let (org, key) = (caller.org_id(), app.db.key().clone());
    let options = app
        .db
        .call(move |conn| match image_store_by_label(conn, org, &label)? {
            Some(store) => client_options(&store, &key),
            None => Err(Error::ImageStoreNotFound(shortened(&label))),
        })
        .await?;
    spawn_blocking(move || client(options))
        .await
        .map_err(Error::unexpected)?
}

/// A client and the full path of a repository there.
async fn place(
    app: &App,
    caller: &Caller,
    store: String,
    repository: &str,
) -> Result<(Client, Repository), Error> {
    let invalid = |error: oci::NameError| Error::invalid("repository", error.to_string());
    let repository = Repository::parse(repository).map_err(invalid)?;
    let client = store_client(app, caller, store).await?;
    let repository = client.address().resolve(&repository).map_err(invalid)?;
    Ok((client, repository))
}

fn reference(tag: &str) -> Result<Reference, Error> {
    Reference::parse(tag).map_err(|error| Error::invalid("tag", error.to_string()))
}

fn filter_compile(filter: &str) -> Result<Option<Pattern>, Error> {
    Some(filter)
        .filter(|filter| !filter.is_empty())
        .map(Pattern::new)
        .transpose()
        .map_err(|error| Error::invalid("filter", format!("`{}`: {error}", readable(filter, NAME))))
}

/// Those of `names` that have at most `longest` characters and match `filter`, in natural order.
async fn sorted(
    mut names: Vec<String>,
    longest: usize,
    filter: Option<Pattern>,
) -> Result<Vec<String>, Error> {
    let time = MatchTime::begins();
    let sorted = offload(Asker::Call, move |cancel| {
        let is_match = |name: &str| filter.as_ref().is_none_or(|filter| filter.is_match(name));
        names.retain(|name| {
            name.len() <= longest && !cancel.is_cancelled() && time.is_left() && is_match(name)
        });
        names.sort_unstable_by(|a, b| natural_cmp(a, b));
        names.dedup();
        names
    });
    let sorted = sorted.await;
    time.check()?;
    Ok(sorted)
}

/// The timeout of matching.
#[derive(Clone, Copy)]
struct MatchTime(Instant);

impl MatchTime {
    fn begins() -> MatchTime {
        MatchTime(Instant::now())
    }

    fn is_left(self) -> bool {
        self.0.elapsed() < MATCH_TIME
    }

    /// Refuses a result that timed out.
    fn check(self) -> Result<(), Error> {
        if self.is_left() {
            return Ok(());
        }
        let message = format!(
            "matching all names takes longer than {} seconds; use a simpler pattern",
            MATCH_TIME.as_secs()
        );
        Err(Error::invalid("filter", message))
    }
}

/// A registry's refusal: missing things are "not found", everything else concerns the store.
fn refused(error: &oci::Error) -> Error {
    if error.is_not_found() {
        Error::NotFound(error.to_string())
    } else {
        Error::invalid("storeLabel", error.to_string())
    }
}

/// The platforms of an index that have an image.
fn platform_names(root: &Manifest) -> Vec<String> {
    let Content::Index(children) = &root.content else {
        return Vec::new();
    };
    children
        .iter()
        .filter(|child| child.attested().is_none())
        .filter_map(|child| child.platform.as_ref().map(|p| format!("`{p}`")))
        .collect()
}

fn no_platform(
    reference: &Reference,
    repository: &Repository,
    platforms: &[String],
    architecture: Option<&str>,
) -> Error {
    Error::invalid(
        "architecture",
        format!(
            "`{}` has no image for `{}`; it has {}",
            reference.on(repository),
            shortened(architecture.unwrap_or_default()),
            if platforms.is_empty() {
                "none".to_owned()
            } else {
                listed(platforms)
            },
        ),
    )
}
