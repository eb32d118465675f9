//! What the arguments of `registrysync sync` and `registrysync plan` ask.

use crate::oci::{Client, RegistryAddress};
use crate::sync::evidence::Asked;
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::input::spec::{KnownTags, LostTags, MAX_PARALLEL};
use crate::sync::{Engine, Placement, SyncItem, SyncSpec};
use crate::time_zone::today;

use super::evidence::asked_of;
use super::source::{Source, SourceRegistry, client};
use crate::cli::error::CliError;
use crate::cli::sync_args::CopyArguments;

/// What the arguments ask.
pub(super) struct OneShotJob {
    pub(super) engine: Engine,
    pub(super) asked: Asked,
    /// The target registry.
    pub(super) target: Client,
    pub(super) registries: Vec<SourceRegistry>,
    pub(super) placement: Placement,
    /// What finding the repositories took.
    pub(super) catalogue_requests: u64,
}

/// Checks the arguments; only a pattern of repositories takes a request.
pub(super) async fn job(arguments: &CopyArguments) -> Result<OneShotJob, CliError> {
    let referrers = ReferrerChoice::parse(&arguments.referrers).map_err(|error| {
        CliError::Input(format!(
            "`--referrers`: `{}`: {}",
            error.value, error.reason
        ))
    })?;
    let source = Source::read(arguments).await?;
    let first = source.items.first();
    let catalogue_requests = first.map_or(0, |item| item.source.requests().all);
    let to = arguments.to.as_deref();
    let to = to.ok_or_else(|| CliError::Input("give the target registry with `--to`".into()))?;
    let client = client(to, &arguments.trust, arguments.max_names)?;
    let asked = asked_of(&source, client.address(), arguments);
    let spec = SyncSpec {
        items: source.items,
        unmatched: source.unmatched,
        placement: source.placement.clone(),
        target_tag: arguments.target_tag.clone(),
        date: today(),
        index: arguments.index,
        max_parallel: MAX_PARALLEL,
        known: KnownTags::new(),
        lost: LostTags::new(),
        only: None,
        referrers,
        backup_tag: arguments.backup_tag.clone(),
        // Nothing is recorded here that could be deleted.
        prune: None,
    };
    same_place_refuse(&spec, client.address())?;
    one_name_refuse(&spec)?;
    Ok(OneShotJob {
        engine: Engine::new(client.clone(), spec),
        asked,
        target: client,
        registries: source.registries,
        placement: source.placement,
        catalogue_requests,
    })
}

/// Refuses a source that is the target, before any request. Only named tags can get another name
/// there: a pattern would select the copies of the run before.
fn same_place_refuse(spec: &SyncSpec, target: &RegistryAddress) -> Result<(), CliError> {
    let is_renamed = |item: &SyncItem| spec.target_tag.is_some() && !item.selector.needs_listing();
    let same = |item: &&SyncItem| !is_renamed(item) && item.is_same_place(&spec.placement, target);
    match spec.items.iter().find(same) {
        Some(item) => Err(CliError::Input(format!(
            "`{}`: with `--to` `{target}` and the placement `{}`, source and target are the \
             same place; give another `--to` or `--placement`",
            item.repository, spec.placement
        ))),
        None => Ok(()),
    }
}

/// Refuses a template that gives all tags of a pattern one name.
fn one_name_refuse(spec: &SyncSpec) -> Result<(), CliError> {
    let Some(template) = spec
        .target_tag
        .as_ref()
        .filter(|template| !template.is_distinct())
    else {
        return Ok(());
    };
    match spec.items.iter().find(|item| item.selector.needs_listing()) {
        Some(item) => Err(CliError::Input(format!(
            "`--target-tag`: `{template}` is the same name for every tag that `{}` selects: add \
             `{{tag}}` to it, or name one tag with `--tag`",
            item.repository
        ))),
        None => Ok(()),
    }
}
