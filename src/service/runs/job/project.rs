//! A stored project and its items.

use crate::service::Error;
use crate::service::paging::PAGE;
use crate::service::projects::catalogue::NumberedItem;
use crate::service::projects::item_spec::ItemSpec;
use crate::store::DbConnection;
use crate::store::projects::item::item_list;
use crate::store::projects::project::{Project, project_by_id};

pub(super) fn gone() -> Error {
    Error::NotFound("the project was deleted".into())
}

pub(super) fn project_enabled(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
) -> Result<Project, Error> {
    let project = project_by_id(conn, org_id, project_id)?.ok_or_else(gone)?;
    if project.enabled {
        return Ok(project);
    }
    let message = format!(
        "the project `{}` is disabled; enable it first",
        project.label
    );
    Err(Error::invalid("enabled", message))
}

pub(super) fn items_load(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
) -> Result<Vec<NumberedItem>, Error> {
    let mut items = Vec::new();
    let mut after = 0;
    loop {
        let page = item_list(conn, org_id, project_id, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(items);
        };
        after = last.id;
        for item in &page {
            items.push((item.id, ItemSpec::of(item)?));
        }
    }
}
