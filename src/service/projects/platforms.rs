//! What a choice of platforms means for indexes.

use super::item_spec::ItemSpec;
use super::settings::ProjectSettings;
use crate::service::Error;
use crate::sync::IndexMode;

/// Refuses a choice of platforms that contradicts the project's `index`.
pub(super) fn index_check(settings: &ProjectSettings, items: &[ItemSpec]) -> Result<(), Error> {
    let Some(index) = settings.index else {
        return Ok(());
    };
    if index == IndexMode::Keep && !settings.architectures.is_empty() {
        return Err(kept("`architectures` of the project"));
    }
    for item in items {
        let (repository, is_chosen) = (&item.repositories, !item.architectures.is_empty());
        if index == IndexMode::Keep && is_chosen {
            return Err(kept(&format!("`architectures` of the item `{repository}`")));
        }
        let is_chosen = is_chosen || !settings.architectures.is_empty();
        let is_rewritten = matches!(index, IndexMode::Rewrite | IndexMode::RewriteSingle);
        let digest = item.selector.tags.iter().find(|tag| tag.contains(':'));
        if let (true, true, Some(digest)) = (is_chosen, is_rewritten, digest) {
            let message = format!(
                "`{index}` gives an index with some platforms another digest, but the item \
                 `{repository}` names `{digest}`: use `sparse`, or name a tag"
            );
            return Err(Error::invalid("index", message));
        }
    }
    Ok(())
}

fn kept(choice: &str) -> Error {
    let message = format!(
        "`keep` copies all platforms, but {choice} chooses some: leave out one of the two, or use \
         `sparse`"
    );
    Error::invalid("index", message)
}
