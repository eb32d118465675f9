//! The selected tags of one repository: the same for previews, plans, runs and the command line.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::StreamExt;

use super::newest::Creation;
use super::select::{Selection, Selector};
use crate::oci::{self, Endpoint, Reference, Repository};
use crate::sync::offload::{Asker, offload};
use crate::text::counted;

/// Patterns run in linear time; only a malicious one takes longer, on very many tags.
const fn match_time(asker: Asker) -> Duration {
    match asker {
        Asker::Call => Duration::from_mins(1),
        Asker::Run => Duration::from_mins(5),
    }
}

/// Images whose creation times are read at once.
const READS: usize = 16;

/// Why the tags of a repository can't be selected.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The patterns take too long.
    #[error(
        "matching {} takes longer than {}; use a simpler pattern",
        counted(*.tags, "tag"), counted(.limit.as_secs() / 60, "minute")
    )]
    Slow {
        /// How many tags there are.
        tags: u64,
        /// How long it may take.
        limit: Duration,
    },
    /// The registry can't be asked for creation times.
    #[error(transparent)]
    Source(oci::Error),
}

/// Applies `selector` to the listed `tags` of a repository (its full path). Reads the creation times
/// that decide; if one can't be read, its tag is left out and named in [`Selection::unread`].
pub async fn selection_resolve(
    source: &Endpoint,
    repository: &Repository,
    selector: Selector,
    tags: Vec<String>,
    asker: Asker,
) -> Result<Selection, ResolveError> {
    let (count, matching, limit) = (tags.len() as u64, selector.clone(), match_time(asker));
    let selection = offload(asker, move |cancel| {
        let begun = Instant::now();
        let is_time = || begun.elapsed() < limit;
        let selection = matching.select_while(tags, || !cancel.is_cancelled() && is_time());
        is_time().then_some(selection)
    });
    let slow = ResolveError::Slow { tags: count, limit };
    let selection = selection.await.ok_or(slow)?;
    if !selector.needs_creation() {
        return Ok(selection);
    }
    let undecided = selector.undecided(&selection);
    let created = creation_read(source, repository, undecided).await?;
    Ok(selector.recent(selection, &created, Utc::now()))
}

async fn creation_read(
    source: &Endpoint,
    repository: &Repository,
    tags: Vec<String>,
) -> Result<HashMap<String, Creation>, ResolveError> {
    let reads = tags.into_iter().map(|tag| async move {
        let created = match Reference::parse(&tag) {
            Ok(reference) => source.image_created(repository, &reference).await,
            Err(_) => Ok(None),
        };
        match created {
            // The others would fail as well.
            Err(error) if error.is_unreachable() || error.is_rate_limited() => {
                Err(ResolveError::Source(error))
            }
            Err(error) => Ok((tag, Creation::Unread(error.to_string()))),
            Ok(Some(time)) => Ok((tag, Creation::At(time))),
            Ok(None) => Ok((tag, Creation::Unknown)),
        }
    });
    let mut reads = futures_util::stream::iter(reads).buffer_unordered(READS);
    let mut created = HashMap::new();
    while let Some(read) = reads.next().await {
        let (tag, creation) = read?;
        created.insert(tag, creation);
    }
    Ok(created)
}
