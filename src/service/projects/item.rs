//! Sync items: the repositories of a project and their selectors.

use super::item_spec::{ItemDetails, ItemOptions, ItemSpec};
use super::lookup::{ProjectName, project_find, project_find_locked};
use super::places::places_of;
use super::platforms::index_check;
use super::settings::ProjectSettings;
use crate::service::paging::{Rows, Slice, rows as page_by_page};
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::projects::item::{self as rows, Item, item_by_id};
use crate::store::projects::project::{Project, project_touch};

/// Maximum bytes of all patterns and ranges of a project: each run compiles them, and so does a
/// change of an item in part, while other writers wait.
const PATTERNS_LIMIT: usize = 1024 * 1024;

/// An item, for output.
#[derive(Clone, Debug)]
pub struct ItemView {
    /// The item's id.
    pub id: i64,
    /// Label of its project.
    pub project_label: String,
    /// What it says.
    pub spec: ItemSpec,
}

impl ItemView {
    fn of(item: &Item, project: &Project) -> Result<ItemView, Error> {
        Ok(ItemView {
            id: item.id,
            project_label: project.label.clone(),
            spec: ItemSpec::of(item)?,
        })
    }
}

/// Adds a repository to a project.
pub async fn item_add(
    app: &App,
    caller: &Caller,
    project: ProjectName,
    repository: String,
    options: ItemOptions,
) -> Result<ItemView, Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    let spec = ItemSpec::new(ItemDetails {
        repository: Some(repository),
        ..options.into()
    })?;
    app.db
        .transaction(move |conn| {
            let project = project_find_locked(conn, org, &project)?;
            check_among_others(conn, &project, None, &spec)?;
            let options = spec.to_json()?;
            let id = rows::item_create(conn, org, project.id, spec.repositories.path(), &options)?
                .ok_or_else(|| Error::unexpected("a locked project is gone"))?;
            project_touch(conn, project.id, &login)?;
            Ok(ItemView {
                id,
                project_label: project.label,
                spec,
            })
        })
        .await
}

/// The items of a project, in the order they were added.
pub async fn item_list(
    app: &App,
    caller: &Caller,
    project_label: String,
    slice: Slice,
) -> Result<Rows<ItemView>, Error> {
    let org = caller.org_id();
    page_by_page(app, slice, move |conn| {
        let project = project_find(conn, org, &ProjectName::Label(project_label))?;
        let read = move |conn: &mut DbConnection, after, count| {
            let page = rows::item_list(conn, org, project.id, after, count)?;
            let last = page.last().map(|item| item.id);
            let views = page.iter().map(|item| ItemView::of(item, &project));
            Ok((last, views.collect::<Result<_, _>>()?))
        };
        Ok((0, read))
    })
    .await
}

/// Changes an item: all of `details`, or nothing.
pub async fn item_update(
    app: &App,
    caller: &Caller,
    id: i64,
    details: ItemDetails,
) -> Result<ItemView, Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    app.db
        .transaction(move |conn| {
            let item = item_find(conn, org, id)?;
            let project = project_find_locked(conn, org, &ProjectName::Id(item.project_id))?;
            // Read again: it may have changed before the project was locked.
            let item = item_find(conn, org, id)?;
            let spec = ItemSpec::of(&item)?.changed(details)?;
            check_among_others(conn, &project, Some(id), &spec)?;
            rows::item_update(conn, org, id, spec.repositories.path(), &spec.to_json()?)?;
            project_touch(conn, project.id, &login)?;
            Ok(ItemView {
                id,
                project_label: project.label,
                spec,
            })
        })
        .await
}

/// Removes an item from its project.
pub async fn item_remove(app: &App, caller: &Caller, id: i64) -> Result<(), Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    app.db
        .transaction(move |conn| {
            let item = item_find(conn, org, id)?;
            let project = project_find_locked(conn, org, &ProjectName::Id(item.project_id))?;
            if !rows::item_delete(conn, org, id)? {
                return Err(no_item(id));
            }
            project_touch(conn, project.id, &login)?;
            Ok(())
        })
        .await
}

/// Every item of a project, by id.
pub fn items_of(conn: &mut DbConnection, project: &Project) -> Result<Vec<ItemView>, Error> {
    rows::item_list(conn, project.org_id, project.id, 0, i64::MAX)?
        .iter()
        .map(|item| ItemView::of(item, project))
        .collect()
}

/// Refuses `spec`, as a replacement for the item `replaced` or as a new one, if it conflicts with
/// the project's other items.
fn check_among_others(
    conn: &mut DbConnection,
    project: &Project,
    replaced: Option<i64>,
    spec: &ItemSpec,
) -> Result<(), Error> {
    let mut specs: Vec<ItemSpec> = items_of(conn, project)?
        .into_iter()
        .filter(|item| Some(item.id) != replaced)
        .map(|item| item.spec)
        .collect();
    specs.push(spec.clone());
    let bytes: usize = specs.iter().map(ItemSpec::pattern_bytes).sum();
    // What another version accepted may stay, as long as nothing is added to it.
    if bytes > PATTERNS_LIMIT && spec.pattern_bytes() > 0 {
        let message = format!(
            "the patterns and ranges of the project's items exceed {} KiB in total: use \
             shorter ones, or split the project",
            PATTERNS_LIMIT / 1024
        );
        return Err(Error::invalid("tags_regex", message));
    }
    index_check(&ProjectSettings::of(project)?, &specs)?;
    places_of(conn, project)?.check_items(&specs)
}

fn item_find(conn: &mut DbConnection, org: i64, id: i64) -> Result<Item, Error> {
    item_by_id(conn, org, id)?.ok_or_else(|| no_item(id))
}

fn no_item(id: i64) -> Error {
    Error::NotFound(format!("there is no item with the id {id}"))
}
