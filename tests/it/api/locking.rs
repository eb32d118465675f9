//! Concurrent changes, on both databases: none is lost, and the later one gets a conflict.

use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::join_all;
use registrysync::store::access::account::{Role, account_by_login, role_remove};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::people::{Person, server};

async fn things(admin: &Person<'_>) -> Value {
    for label in ["src", "dest"] {
        let uri = format!("{label}.example");
        let store = json!({"label": label, "uri": uri, "storeType": "registry", "credentials": {}});
        admin
            .post("image/store/create", store)
            .await
            .expect("a store");
    }
    let project = json!({"label": "mirror", "srcStore": "src", "destStore": "dest"});
    admin
        .post("registrysync/create", project)
        .await
        .expect("a project");
    let item = json!({"label": "mirror", "repository": "nginx", "tags": ["1"]});
    admin
        .post("registrysync/addImage", item)
        .await
        .expect("an item")
}

/// Makes all changes at once; each must succeed.
async fn at_once(admin: &Person<'_>, path: &str, of: Value, changes: &[Value]) {
    let calls = changes.iter().map(|details| {
        let mut body = of.clone();
        body["details"] = details.clone();
        admin.post(path, body)
    });
    for taken in join_all(calls).await {
        taken.expect(path);
    }
}

fn has(shown: &Value, changes: &[Value]) {
    for change in changes {
        for (name, value) in change.as_object().expect("members") {
            assert_eq!(&shown[name], value, "{name} was lost: {shown}");
        }
    }
}

on_both_databases! {
    async fn changes_of_different_members_are_all_kept(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let item = things(&admin).await;
        let changes = [json!({"description": "a"}), json!({"placement": "flat"}),
            json!({"max_parallel": 9}), json!({"architectures": ["arm64"]}), json!({"enabled": false})];
        at_once(&admin, "registrysync/setDetails", json!({"label": "mirror"}), &changes).await;
        let shown = admin.get("registrysync/getDetails?label=mirror").await.unwrap();
        has(&shown, &changes);
        assert_eq!(shown["version"], 6);

        let changes = [json!({"tags": ["2"]}), json!({"tags_regex": "^1"}), json!({"semver": ">=1"}),
            json!({"tags_exclude_regex": "rc"}), json!({"target_repository": "web"})];
        at_once(&admin, "registrysync/updateImage", json!({"itemId": item["id"]}), &changes).await;
        has(&admin.get("registrysync/listImages?label=mirror").await.unwrap()[0], &changes);

        let changes = [json!({"max_connections": 3}), json!({"tls_verify": false}), json!({"plain_http": true})];
        at_once(&admin, "image/store/setDetails", json!({"label": "src"}), &changes).await;
        has(&admin.get("image/store/getDetails?label=src").await.unwrap(), &changes);

        admin.make("grace").await;
        let changes = [json!({"first_name": "Grace"}), json!({"last_name": "Hopper"}), json!({"prefix": "Dr."}),
            json!({"email": "g@example.org"})];
        at_once(&admin, "user/setDetails", json!({"login": "grace"}), &changes).await;
        has(&admin.get("user/getDetails?login=grace").await.unwrap(), &changes);
    }
}

on_both_databases! {
    async fn of_changes_of_one_version_the_first_is_taken(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        things(&admin).await;
        let calls = (0..6).map(|number| {
            let details = json!({"description": number.to_string(), "version": 1});
            admin.post("registrysync/setDetails", json!({"label": "mirror", "details": details}))
        });
        let (taken, late): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
        assert_eq!(taken.len(), 1, "{taken:?}");
        for refusal in late {
            let (code, message) = refusal.unwrap_err();
            assert_eq!(code, 2800);
            assert!(message.contains("`admin` changed it at"), "{message}");
        }
        let shown = admin.get("registrysync/getDetails?label=mirror").await.unwrap();
        assert_eq!((&shown["version"], &shown["description"]), (&json!(2), &taken[0].as_ref().unwrap()["description"]));
    }
}

on_both_databases! {
    async fn the_same_made_at_once_is_made_once(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let new = json!({"login": "grace", "password": "first pass", "first": "", "last": "", "email": ""});
        let made = join_all((0..4).map(|_| admin.post("user/create", new.clone()))).await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
        assert!(made.iter().all(|made| made.as_ref().map_or_else(|(code, _)| *code == 10100, |_| true)), "{made:?}");
        let role = json!({"login": "grace", "role": "image_admin"});
        for given in join_all((0..4).map(|_| admin.post("user/addRole", role.clone()))).await {
            assert_eq!(given, Ok(json!(1)));
        }
        for taken in join_all((0..4).map(|_| admin.post("user/removeRole", role.clone()))).await {
            assert_eq!(taken, Ok(json!(1)));
        }
    }
}

on_both_databases! {
    async fn two_administrators_cannot_remove_each_other_at_once(database) {
        let beside = database.open_again().expect("the database");
        let server = server(database).await;
        let admin = server.admin().await;
        admin.make("grace").await;
        let role = json!({"login": "grace", "role": "satellite_admin"});
        admin.post("user/addRole", role.clone()).await.expect("the role");
        let (begun, waits) = oneshot::channel();
        let (end, ended) = mpsc::channel::<()>();
        // Grace's transaction: she has removed the role from `admin`, and hasn't committed yet.
        let theirs = tokio::spawn(async move {
            beside.run(move |conn| {
                conn.write(|conn| {
                    let account = account_by_login(conn, "admin")?.expect("the account");
                    assert!(role_remove(conn, account.id, Role::SatelliteAdmin)?);
                    begun.send(()).expect("the test");
                    ended.recv().expect("the test");
                    Ok(())
                })
            }).await
        });
        waits.await.expect("the other side");
        let ours = admin.post("user/removeRole", role);
        tokio::pin!(ours);
        // It has to wait for the other transaction; if it doesn't, the check below fails.
        let early = tokio::time::timeout(Duration::from_millis(300), &mut ours).await;
        end.send(()).expect("the other side");
        theirs.await.expect("no panic").expect("no error");
        let ours = match early {
            Ok(ours) => ours,
            Err(_) => ours.await,
        };
        let (_, message) = ours.expect_err("the last administrator stays");
        assert!(message.contains("is the last enabled account"), "{message}");
    }
}
