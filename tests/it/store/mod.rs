//! The database layer, every test on both backends:
//! - `accounts`: accounts, roles, sessions.
//! - `stores`: image stores and their seals.
//! - `projects`: projects and items.
//! - `runs`: the queue, fences, results, logs.
//! - `synced`: records of what was seen at targets.
//! - `catalogue`: the catalogue that is kept with a run.
//! - `written`: what projects wrote, and whether they may delete it.
//! - `notifications`: pending notifications.
//! - `link`: the link to PostgreSQL: hangs, lost connections, TLS.
//! - `opening`: connecting, migrating, keys.
//! - `index_leases`: one writer for each index of referrers.
//! - `migrations`: their files and numbers.
//! - `workers`: workers, and notifications between nodes.
//! - `trouble`: the meaning of errors.
//! - `tables`: the tables after migrations, and which queries use an index.

mod accounts;
mod catalogue;
mod index_leases;
mod link;
mod migrations;
mod needed;
mod notifications;
mod opening;
mod projects;
mod runs;
mod stores;
mod synced;
mod tables;
mod trouble;
mod workers;
mod written;

use registrysync::store::DbConnection;
use registrysync::store::access::account::{NewAccount, Role, account_create};
use registrysync::store::access::org::org_create;

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
