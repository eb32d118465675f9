//! Image stores: the registries, with their sealed passwords.

use crate::store::base::clock::clock;
use crate::store::base::seal::key::key_fits;
use crate::store::schema::{image_store, sync_project};
use crate::store::{DbConnection, Error, Moment, SealError, SealKey};
use diesel::prelude::*;
use secrecy::SecretString;

/// The table's name in the seal of a password.
const SEAL_TABLE: &str = "image_store";

/// An image store as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = image_store)]
#[allow(missing_docs)] // the fields are the columns
pub struct ImageStore {
    pub id: i64,
    pub org_id: i64,
    pub label: String,
    pub store_type: String,
    pub uri: String,
    /// JSON.
    pub options: String,
    pub username: Option<String>,
    credential: Option<Vec<u8>>,
    pub created: Moment,
    pub modified: Moment,
}

impl ImageStore {
    /// Opens the password; `None` where the store has none.
    pub fn password(&self, key: &SealKey) -> Result<Option<SecretString>, SealError> {
        self.credential
            .as_deref()
            .map(|sealed| key.unseal(SEAL_TABLE, self.id, sealed))
            .transpose()
    }

    /// Whether the store has a password.
    pub fn has_password(&self) -> bool {
        self.credential.is_some()
    }
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct StorePlace {
    /// The store.
    pub id: i64,
    /// Its address.
    pub uri: String,
    /// Its options, as JSON.
    pub options: String,
}

/// Where these stores are, of all organisations; all stores if `ids` is missing. For the server's
/// own use.
pub fn image_store_places(
    conn: &mut DbConnection,
    ids: Option<&[i64]>,
) -> Result<Vec<StorePlace>, Error> {
    let places =
        image_store::table.select((image_store::id, image_store::uri, image_store::options));
    match ids {
        Some(ids) => Ok(places.filter(image_store::id.eq_any(ids)).load(conn)?),
        None => Ok(places.load(conn)?),
    }
}

/// A store's login before sealing.
#[derive(Clone, Debug)]
pub struct Login {
    /// The account at the registry.
    pub username: String,
    /// Its password or token.
    pub password: SecretString,
}

/// An image store to create.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewImageStore {
    pub org_id: i64,
    pub label: String,
    pub store_type: String,
    pub uri: String,
    /// JSON.
    pub options: String,
    pub login: Option<Login>,
}

/// Changes to a store; `None` leaves a value unchanged.
#[derive(Clone, Debug, Default)]
pub struct ImageStoreChange {
    /// The new address.
    pub uri: Option<String>,
    /// The new options, JSON.
    pub options: Option<String>,
    /// The new login; `Some(None)` removes it.
    pub login: Option<Option<Login>>,
}

/// Creates a store and returns its id; [`Error::Exists`] if the label is taken.
pub fn image_store_create(
    conn: &mut DbConnection,
    key: &SealKey,
    new: &NewImageStore,
) -> Result<i64, Error> {
    conn.write(|conn| {
        let time = clock(conn)?;
        let row = (
            image_store::org_id.eq(new.org_id),
            image_store::label.eq(&new.label),
            image_store::store_type.eq(&new.store_type),
            image_store::uri.eq(&new.uri),
            image_store::options.eq(&new.options),
            image_store::created.eq(time),
            image_store::modified.eq(time),
        );
        let insert = diesel::insert_into(image_store::table)
            .values(row)
            .returning(image_store::id);
        let id: i64 = on_backend!(&mut *conn, c => insert.get_result(c))?;
        // The seal includes the row's id, so the row is inserted first.
        login_set(conn, key, id, new.login.as_ref())?;
        Ok(id)
    })
}

fn login_set(
    conn: &mut DbConnection,
    key: &SealKey,
    id: i64,
    login: Option<&Login>,
) -> Result<(), Error> {
    if login.is_some() {
        key_fits(conn, key)?;
    }
    let sealed = login
        .map(|login| key.seal(SEAL_TABLE, id, &login.password))
        .transpose()?;
    diesel::update(image_store::table.find(id))
        .set((
            image_store::username.eq(login.map(|login| &login.username)),
            image_store::credential.eq(sealed),
        ))
        .execute(conn)?;
    Ok(())
}

/// Finds a store by its label.
pub fn image_store_by_label(
    conn: &mut DbConnection,
    org_id: i64,
    label: &str,
) -> Result<Option<ImageStore>, Error> {
    Ok(image_store::table
        .filter(image_store::org_id.eq(org_id))
        .filter(image_store::label.eq(label))
        .select(ImageStore::as_select())
        .first(conn)
        .optional()?)
}

/// Finds a store by its label and locks it until the transaction ends, so that concurrent changes
/// of its options are merged. SQLite's write transactions are exclusive anyway.
pub fn image_store_by_label_locked(
    conn: &mut DbConnection,
    org_id: i64,
    label: &str,
) -> Result<Option<ImageStore>, Error> {
    if let DbConnection::Postgres(conn) = conn {
        image_store::table
            .filter(image_store::org_id.eq(org_id))
            .filter(image_store::label.eq(label))
            .select(image_store::id)
            .for_update()
            .load::<i64>(conn)?;
    }
    image_store_by_label(conn, org_id, label)
}

/// Finds a store by its id.
pub fn image_store_by_id(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
) -> Result<Option<ImageStore>, Error> {
    Ok(image_store::table
        .find(id)
        .filter(image_store::org_id.eq(org_id))
        .select(ImageStore::as_select())
        .first(conn)
        .optional()?)
}

/// At most `limit` stores whose label sorts after `after_label` ("" for the first ones), by label.
pub fn image_store_list(
    conn: &mut DbConnection,
    org_id: i64,
    after_label: &str,
    limit: i64,
) -> Result<Vec<ImageStore>, Error> {
    Ok(image_store::table
        .filter(image_store::org_id.eq(org_id))
        .filter(image_store::label.gt(after_label))
        .order(image_store::label)
        .limit(limit)
        .select(ImageStore::as_select())
        .load(conn)?)
}

/// Changes a store; `false` if there is no such store.
pub fn image_store_update(
    conn: &mut DbConnection,
    key: &SealKey,
    org_id: i64,
    id: i64,
    change: &ImageStoreChange,
) -> Result<bool, Error> {
    conn.write(|conn| {
        let time = clock(conn)?;
        let row = (
            change.uri.as_ref().map(|uri| image_store::uri.eq(uri)),
            change
                .options
                .as_ref()
                .map(|options| image_store::options.eq(options)),
            image_store::modified.eq(time),
        );
        let store = image_store::table
            .find(id)
            .filter(image_store::org_id.eq(org_id));
        if diesel::update(store).set(row).execute(conn)? == 0 {
            return Ok(false);
        }
        if let Some(login) = &change.login {
            login_set(conn, key, id, login.as_ref())?;
        }
        Ok(true)
    })
}

/// Labels of the projects that use a store as source or target, sorted.
pub fn image_store_projects(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
) -> Result<Vec<String>, Error> {
    Ok(sync_project::table
        .filter(sync_project::org_id.eq(org_id))
        .filter(
            sync_project::src_store_id
                .eq(id)
                .or(sync_project::dest_store_id.eq(id)),
        )
        .order(sync_project::label)
        .select(sync_project::label)
        .load(conn)?)
}

/// Removes a store; `false` if there is none, [`Error::Reference`] while a project uses it.
pub fn image_store_delete(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<bool, Error> {
    let store = image_store::table
        .find(id)
        .filter(image_store::org_id.eq(org_id));
    Ok(diesel::delete(store).execute(conn)? == 1)
}
