//! Image stores: the registries that an organisation copies from and to. Texts and codes are Uyuni's if
//! it has them.

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::settings::{
    StoreChange, StoreCredentials, StoreOptions, certificate_check, login_check, policy_check,
};
use crate::oci::RegistryAddress;
use crate::service::batches::{STEP, in_steps};
use crate::service::error::shortened;
use crate::service::label::{LABEL_LIMIT, LabelProblem, label_problem};
use crate::service::paging::{Rows, Slice, rows};
use crate::service::{App, Caller, Error};
use crate::store::projects::synced_tag::synced_forget_store;
use crate::store::stores::image_store::{
    ImageStore, ImageStoreChange, Login, NewImageStore, image_store_by_id, image_store_by_label,
    image_store_by_label_locked, image_store_create, image_store_delete, image_store_list,
    image_store_projects, image_store_update,
};
use crate::store::{self, DbConnection, SealKey};

/// The only type of store: a registry with the OCI distribution API.
const REGISTRY: StoreType = StoreType {
    id: 1,
    label: "registry",
    name: "Registry",
};

/// A type of image store.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct StoreType {
    /// The id.
    pub id: i32,
    /// The label, as `image.store.create` takes it.
    pub label: &'static str,
    /// The name to show.
    pub name: &'static str,
}

/// An image store, for output; never with its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoreDetails {
    /// The label.
    pub label: String,
    /// The address as it was given.
    pub uri: String,
    /// The type: `registry`.
    pub storetype: String,
    /// Whether a login is stored.
    #[serde(rename = "hasCredentials")]
    pub has_credentials: bool,
    /// The user name of the login.
    pub username: Option<String>,
    /// Whether the registry's certificate is checked.
    pub tls_verify: bool,
    /// Whether to use plain http.
    pub plain_http: bool,
    /// Additional trusted certificates, PEM.
    pub ca_certificate: Option<String>,
    /// Maximum number of simultaneous requests, if set.
    pub max_connections: Option<u32>,
    /// Maximum number of names in one listing, if set.
    pub max_names: Option<u32>,
    /// Why the options can't be read; omitted if they can.
    pub problem: Option<&'static str>,
}

impl StoreDetails {
    /// The same in a list: one unreadable store must not hide the others.
    fn of_any(store: &ImageStore) -> StoreDetails {
        StoreDetails::of(store).unwrap_or_else(|error| {
            tracing::error!(store = store.id, %error, "an image store's options can't be read");
            let problem = "its options can't be read; see the server's log";
            StoreDetails {
                problem: Some(problem),
                ..StoreDetails::with(store, StoreOptions::default(), false)
            }
        })
    }

    fn of(store: &ImageStore) -> Result<StoreDetails, Error> {
        let options = StoreOptions::of(store)?;
        let plain_http = options.stored_address(store)?.is_plain_http();
        Ok(StoreDetails::with(store, options, plain_http))
    }

    fn with(store: &ImageStore, options: StoreOptions, plain_http: bool) -> StoreDetails {
        StoreDetails {
            label: store.label.clone(),
            uri: store.uri.clone(),
            storetype: store.store_type.clone(),
            has_credentials: store.has_password(),
            username: store.username.clone(),
            tls_verify: options.tls_verify.unwrap_or(true),
            plain_http,
            ca_certificate: options.ca_certificate,
            max_connections: options.max_connections,
            max_names: options.max_names,
            problem: None,
        }
    }
}

/// The types of stores.
pub fn store_types() -> Vec<StoreType> {
    vec![REGISTRY]
}

/// Creates a store in the caller's organisation.
pub async fn store_create(
    app: &App,
    caller: &Caller,
    label: String,
    uri: String,
    store_type: &str,
    credentials: StoreCredentials,
) -> Result<(), Error> {
    label_check(&label)?;
    if store_type != REGISTRY.label {
        return Err(Error::BadParameter(format!(
            "Unknown image store type: {}",
            shortened(store_type)
        )));
    }
    let change = StoreChange::from(credentials);
    login_check(&change)?;
    let options = StoreOptions::default().changed(&change)?;
    policy_check(&options.address(&uri)?)?;
    certificate_check(&change).await?;
    let new = NewImageStore {
        org_id: caller.org_id(),
        label,
        store_type: REGISTRY.label.into(),
        uri,
        options: options.to_text()?,
        login: match login_change(None, change)? {
            LoginChange::Set(login) => Some(login),
            LoginChange::Keep | LoginChange::Remove => None,
        },
    };
    let key = app.db.key().clone();
    let created = app
        .db
        .run(move |conn| image_store_create(conn, &key, &new))
        .await;
    match created {
        Ok(_) => Ok(()),
        Err(store::Error::Exists(_)) => {
            Err(Error::BadParameter("Image store already exists.".into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The stores of the caller's organisation, by label.
pub async fn store_list(
    app: &App,
    caller: &Caller,
    slice: Slice,
) -> Result<Rows<StoreDetails>, Error> {
    let org_id = caller.org_id();
    rows(app, slice, move |_| {
        let mut after = String::new();
        let read = move |conn: &mut DbConnection, number: i64, count| {
            let page = image_store_list(conn, org_id, &after, count)?;
            let Some(last) = page.last() else {
                return Ok((None, Vec::new()));
            };
            after.clone_from(&last.label);
            let details = page.iter().map(StoreDetails::of_any).collect();
            Ok((Some(number + 1), details))
        };
        Ok((0, read))
    })
    .await
}

/// One store of the caller's organisation.
pub async fn store_details(
    app: &App,
    caller: &Caller,
    label: String,
) -> Result<StoreDetails, Error> {
    StoreDetails::of(&store_find(app, caller, label).await?)
}

/// The row of a store of the caller's organisation.
pub async fn store_find(app: &App, caller: &Caller, label: String) -> Result<ImageStore, Error> {
    let org_id = caller.org_id();
    app.db
        .run(move |conn| Ok(store_by_label(conn, org_id, &label)))
        .await?
}

/// The label of the store with this id.
pub async fn store_label(app: &App, caller: &Caller, id: i64) -> Result<String, Error> {
    let org = caller.org_id();
    let found = app
        .db
        .run(move |conn| image_store_by_id(conn, org, id))
        .await?;
    found
        .map(|store| store.label)
        .ok_or_else(|| Error::ImageStoreNotFound(id.to_string()))
}

/// Changes a store.
pub async fn store_change(
    app: &App,
    caller: &Caller,
    label: String,
    change: StoreChange,
) -> Result<(), Error> {
    login_check(&change)?;
    certificate_check(&change).await?;
    let org_id = caller.org_id();
    let key = app.db.key().clone();
    app.db
        .transaction(move |conn| {
            let store = image_store_by_label_locked(conn, org_id, &label)?
                .ok_or_else(|| not_found(&label))?;
            let change = row_change(&store, &key, change)?;
            image_store_update(conn, &key, org_id, store.id, &change)?;
            Ok(())
        })
        .await
}

/// Removes a store that no project uses.
pub async fn store_delete(app: &App, caller: &Caller, label: String) -> Result<(), Error> {
    let org_id = caller.org_id();
    let name = label.clone();
    let store = app.db.call(move |conn| unused(conn, org_id, &name)).await?;
    let forget = move |conn: &mut DbConnection| synced_forget_store(conn, store, STEP);
    in_steps(&app.db, forget).await?;
    app.db
        .transaction(move |conn| {
            let store = unused(conn, org_id, &label)?;
            image_store_delete(conn, org_id, store)?;
            Ok(())
        })
        .await
}

/// The id of a store that no project uses.
fn unused(conn: &mut DbConnection, org_id: i64, label: &str) -> Result<i64, Error> {
    let store = store_by_label(conn, org_id, label)?;
    let projects = image_store_projects(conn, org_id, store.id)?;
    if projects.is_empty() {
        return Ok(store.id);
    }
    let message = format!(
        "the image store is used by {}; delete the projects first",
        projects.join(", ")
    );
    Err(Error::invalid("label", message))
}

fn store_by_label(conn: &mut DbConnection, org_id: i64, label: &str) -> Result<ImageStore, Error> {
    image_store_by_label(conn, org_id, label)?.ok_or_else(|| not_found(label))
}

fn not_found(label: &str) -> Error {
    Error::ImageStoreNotFound(shortened(label))
}

fn label_check(label: &str) -> Result<(), Error> {
    let problem = match label_problem(label, LABEL_LIMIT) {
        Some(LabelProblem::Empty) => "Label cannot be empty.",
        _ if label.contains(':') => "Label cannot contain colons (:).",
        Some(LabelProblem::TooLong) => "Label cannot be longer than 128 characters.",
        Some(LabelProblem::Control | LabelProblem::Space) => {
            "Label cannot contain control characters, nor white space at its ends."
        }
        None => return Ok(()),
    };
    Err(Error::BadParameter(problem.into()))
}

/// What to write for a change of `store`.
fn row_change(
    store: &ImageStore,
    key: &SealKey,
    change: StoreChange,
) -> Result<ImageStoreChange, Error> {
    let old = StoreOptions::of(store)?;
    let options = old.clone().changed(&change)?;
    let uri = change.uri.clone();
    let address = options.address(uri.as_deref().unwrap_or(&store.uri))?;
    // One that isn't valid any more counts as another registry.
    let old_address = old.address(&store.uri).ok();
    let was_plain = old_address
        .as_ref()
        .is_some_and(RegistryAddress::is_plain_http);
    if uri.is_some() {
        policy_check(&address)?;
    }
    let moves = !old_address.is_some_and(|old| address.is_same_registry(&old));
    let loses_tls = address.is_plain_http() && !was_plain;
    let is_unchecked = |options: &StoreOptions| options.tls_verify == Some(false);
    let loses_check =
        is_unchecked(&options) && !is_unchecked(&old) && !address.is_plain_http() && !was_plain;
    // Issuers of a trusted certificate can impersonate the registry.
    let trusts_more = options.ca_certificate.is_some()
        && options.ca_certificate != old.ca_certificate
        && !is_unchecked(&old);
    let gives_password = change.password.is_some();
    let password = store.password(key).map_err(Error::unexpected)?;
    let current = store.username.clone().zip(password);
    let current = current.map(|(username, password)| Login { username, password });
    let had_login = current.is_some();
    let login = login_change(current, change)?;
    // Otherwise, anyone who may change a store could have its password sent to a host of their own,
    // or unencrypted.
    let reason = if moves {
        Some("the address points to another registry")
    } else if loses_tls {
        Some("the password would be sent in clear text, over plain http")
    } else if loses_check {
        Some("the registry's certificate would no longer be checked")
    } else if trusts_more {
        Some("a different certificate would be trusted")
    } else {
        None
    };
    let is_kept = had_login && !gives_password && !matches!(login, LoginChange::Remove);
    if let Some(reason) = reason.filter(|_| is_kept) {
        let message =
            format!("{reason}: give the password again, or an empty one to remove the login");
        return Err(Error::invalid("password", message));
    }
    Ok(ImageStoreChange {
        uri,
        options: Some(options.to_text()?),
        login: match login {
            LoginChange::Keep => None,
            LoginChange::Remove => Some(None),
            LoginChange::Set(login) => Some(Some(login)),
        },
    })
}

/// The change to a store's login.
enum LoginChange {
    Keep,
    Remove,
    Set(Login),
}

fn login_change(current: Option<Login>, change: StoreChange) -> Result<LoginChange, Error> {
    let password: Option<SecretString> = change.password.map(|password| password.0);
    let empty_name = change.username.as_ref().map(String::is_empty);
    let empty_password = password
        .as_ref()
        .map(|password| password.expose_secret().is_empty());
    match (empty_name, empty_password) {
        (None, None) => return Ok(LoginChange::Keep),
        (Some(true), Some(true) | None) | (None, Some(true)) => return Ok(LoginChange::Remove),
        (Some(true), Some(false)) => {
            let message = "it is empty, but a password is given";
            return Err(Error::invalid("username", message));
        }
        (Some(false), Some(true)) => {
            let message = "it is empty, but a username is given";
            return Err(Error::invalid("password", message));
        }
        _ => {}
    }
    let (old_name, old_password) = current
        .map(|login| (login.username, login.password))
        .unzip();
    let missing = |field| Error::invalid(field, "missing; give both `username` and `password`");
    let username = change.username.or(old_name);
    let username = username.ok_or_else(|| missing("username"))?;
    let password = password.or(old_password);
    let password = password.ok_or_else(|| missing("password"))?;
    Ok(LoginChange::Set(Login { username, password }))
}
