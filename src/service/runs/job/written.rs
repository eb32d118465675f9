//! What a project wrote, and may delete.

use std::collections::HashMap;

use crate::service::Error;
use crate::service::paging::PAGE;
use crate::service::projects::pruning::written_of;
use crate::service::projects::settings::ProjectSettings;
use crate::store::DbConnection;
use crate::store::projects::needed_tag::{parts_of_others, targets_of};
use crate::store::projects::project::Project;
use crate::store::projects::written_tag::{WrittenKey, repository_of, written_list};
use crate::sync::prune::settings::{Prune, WrittenTag};

/// What the project deletes, with all that it wrote.
pub(super) fn prune_load(
    conn: &mut DbConnection,
    project: &Project,
    force: bool,
) -> Result<Option<Prune>, Error> {
    let mut prune = ProjectSettings::of(project)?.pruning(force)?;
    if let Some(prune) = &mut prune {
        prune.written = written_load(conn, project.id)?;
        shared_mark(conn, project.id, &mut prune.written)?;
    }
    Ok(prune)
}

/// What the project wrote, by place.
fn written_load(
    conn: &mut DbConnection,
    project_id: i64,
) -> Result<HashMap<String, Vec<WrittenTag>>, Error> {
    let mut written: HashMap<String, Vec<WrittenTag>> = HashMap::new();
    let mut after = WrittenKey::default();
    loop {
        let page = written_list(conn, project_id, &after, PAGE)?;
        let Some((last, _)) = page.last() else {
            return Ok(written);
        };
        after = last.key();
        for (place, tag) in page.into_iter().filter_map(written_of) {
            written.entry(place).or_default().push(tag);
        }
    }
}

/// Marks what other projects need too: they may have found it, and so have no record of their own.
fn shared_mark(
    conn: &mut DbConnection,
    project_id: i64,
    written: &mut HashMap<String, Vec<WrittenTag>>,
) -> Result<(), Error> {
    if written.is_empty() {
        return Ok(());
    }
    let parts = parts_of_others(conn, project_id)?;
    for (place, tags) in written {
        for part in parts.get(repository_of(place)).into_iter().flatten() {
            let needed = targets_of(conn, *part)?;
            for tag in &mut *tags {
                tag.is_shared |= needed.contains(&format!("{place}:{}", tag.tag));
            }
        }
    }
    Ok(())
}
