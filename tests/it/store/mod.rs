//! The database layer, every test on both backends:
//! - `accounts`: accounts, roles, sessions.
//! - `stores`: image stores and their seals.
//! - `projects`: projects and items.
//! - `runs`: the queue, fences, results, logs.
//! - `synced`: records of what was seen at targets.
//! - `notifications`: pending notifications.
//! - `link`: the link to PostgreSQL: hangs, lost connections, TLS.
//! - `opening`: connecting, migrating, keys.
//! - `workers`: workers, and notifications between nodes.
//! - `trouble`: the meaning of errors.
//! - `tables`: the tables after migrations, and which queries use an index.

mod accounts;
mod link;
mod notifications;
mod opening;
mod projects;
mod runs;
mod stores;
mod synced;
mod tables;
mod trouble;
mod workers;

use registrysync::store::access::account::{NewAccount, Role, account_create};
use registrysync::store::access::org::org_create;
use registrysync::store::projects::project::{NewProject, project_create};
use registrysync::store::stores::image_store::{Login, NewImageStore, image_store_create};
use registrysync::store::{DbConnection, SealKey};

/// An organisation and an account in it.
fn account(conn: &mut DbConnection, name: &str) -> (i64, i64) {
    let org = org_create(conn, name).expect("an organisation");
    let new = NewAccount {
        org_id: org,
        login: &format!("{name}-admin"),
        password_hash: "$argon2id$",
        prefix: "",
        first_name: "A",
        last_name: "B",
        email: "a@example.org",
        enabled: true,
        read_only: false,
    };
    let id = account_create(conn, &new, &[Role::OrgAdmin, Role::ImageAdmin]).expect("an account");
    (org, id)
}

/// A store; with a login if there is a `password`.
fn store(
    conn: &mut DbConnection,
    key: &SealKey,
    org_id: i64,
    label: &str,
    password: Option<&str>,
) -> i64 {
    let new = NewImageStore {
        org_id,
        label: label.to_owned(),
        store_type: "registry".to_owned(),
        uri: "registry.example.org".to_owned(),
        options: "{}".to_owned(),
        login: password.map(|password| Login {
            username: "robot".to_owned(),
            password: password.into(),
        }),
    };
    image_store_create(conn, key, &new).expect("a store")
}

/// A project between two stores of its own.
fn project(conn: &mut DbConnection, key: &SealKey, org_id: i64, label: &str) -> i64 {
    let src_store_id = store(conn, key, org_id, &format!("{label}-src"), None);
    let dest_store_id = store(conn, key, org_id, &format!("{label}-dest"), None);
    let new = NewProject {
        org_id,
        label,
        src_store_id,
        dest_store_id,
        enabled: true,
        options: "{}",
        modified_by: "somebody",
    };
    project_create(conn, &new).expect("a project")
}
