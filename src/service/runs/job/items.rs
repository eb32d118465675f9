//! A project's items for the engine.

use crate::oci::{Client, PlatformChoice};
use crate::service::Error;
use crate::service::projects::item_spec::ItemSpec;
use crate::service::projects::settings::ProjectSettings;
use crate::sync::{Selector, SyncItem};

/// The items for the engine. Those of one pattern share its compiled selectors.
pub(super) fn sync_items(
    items: &[ItemSpec],
    settings: &ProjectSettings,
    source: &Client,
) -> Result<Vec<SyncItem>, Error> {
    let mut made: Vec<SyncItem> = Vec::with_capacity(items.len());
    let mut last: Option<&ItemSpec> = None;
    for item in items {
        let same = made
            .last()
            .filter(|_| last.is_some_and(|last| last.selector == item.selector));
        let selector = match same {
            Some(same) => same.selector.clone(),
            None => Selector::compile(&item.selector)
                .map_err(|error| Error::invalid(error.field, error.to_string()))?,
        };
        made.push(sync_item(item, settings, source, selector)?);
        last = Some(item);
    }
    Ok(made)
}

fn sync_item(
    item: &ItemSpec,
    settings: &ProjectSettings,
    source: &Client,
    selector: Selector,
) -> Result<SyncItem, Error> {
    let names = if item.architectures.is_empty() {
        &settings.architectures
    } else {
        &item.architectures
    };
    let architectures = names
        .iter()
        .map(|name| PlatformChoice::parse_stored(name))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid("architectures", error.to_string()))?;
    Ok(SyncItem {
        source: source.clone().into(),
        repository: item.repositories.one()?.clone(),
        selector,
        architectures,
        target_repository: item.target_repository.clone(),
        on_empty: item.on_empty.or(settings.on_empty).unwrap_or_default(),
    })
}
