//! `user`: accounts, on both databases.

use registrysync::service::Role;
use serde_json::json;

use super::people::{Answer, Person, server};
use super::server::{ADMIN_PASSWORD, text};
use crate::support::database::TestDatabase;

const LAST: &str = "Cannot delete the last remaining satellite administrator.";
const LAST_TO_WRITE: &str =
    "`admin` is the last enabled account with the role `satellite_admin` that can write: give";

fn no_such_user() -> Answer {
    Err((-213, "No such user: grace".into()))
}

on_both_databases! {
    async fn an_account_is_made_shown_changed_and_deleted(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let new = json!({"login": "Grace", "password": "first pass", "first": "Grace", "last": "Hopper", "email": "g@example.org"});
        assert_eq!(admin.post("user/create", new).await, Ok(json!(1)));

        let listed = admin.get("user/listUsers").await.unwrap();
        let names: Vec<_> = listed.as_array().unwrap().iter().map(|user| &user["login_uc"]).collect();
        assert_eq!(names, ["ADMIN", "GRACE"]);
        let second = json!([{"id": listed[1]["id"], "login": "Grace", "login_uc": "GRACE", "enabled": true}]);
        assert_eq!(admin.get("user/listUsers?limit=1&offset=1").await, Ok(second));

        let mut shown = admin.get("user/getDetails?login=GRACE").await.unwrap();
        let created = shown.as_object_mut().unwrap().remove("created_date").unwrap();
        assert!(created.as_str().unwrap().ends_with('Z'));
        assert_eq!(shown, json!({
            "first_name": "Grace", "first_names": "Grace", "last_name": "Hopper", "email": "g@example.org",
            "prefix": "", "org_id": 1, "org_name": "Default", "enabled": true, "use_pam": false,
            "read_only": false, "errata_notification": false,
        }));

        let change = json!({"login": "grace", "details": {"first_name": "", "prefix": "Dr.", "password": "second pass"}});
        assert_eq!(admin.post("user/setDetails", change).await, Ok(json!(1)));
        let change = json!({"login": "grace", "details": {"first_names": "Amazing", "email": "a@example.org"}});
        assert_eq!(admin.post("user/setDetails", change).await, Ok(json!(1)));
        assert_eq!(admin.post("user/setDetails", json!({"login": "grace", "details": {}})).await, Ok(json!(1)));
        let shown = admin.get("user/getDetails?login=grace").await.unwrap();
        assert_eq!([&shown["first_name"], &shown["last_name"], &shown["prefix"]], ["Amazing", "Hopper", "Dr."]);

        assert!(server.log_in("grace", "first pass").await.is_err());
        server.log_in("grace", "second pass").await.expect("the new password");
        assert!(admin.get("user/getDetails?login=grace").await.unwrap()["last_login_date"].is_string());

        assert_eq!(admin.post("user/delete", json!({"login": "grace"})).await, Ok(json!(1)));
        assert_eq!(admin.post("user/delete", json!({"login": "grace"})).await, no_such_user());
        assert_eq!(admin.get("user/getDetails?login=grace").await, no_such_user());
    }
}

on_both_databases! {
    async fn bad_accounts_are_refused_and_nothing_is_made(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        admin.make("taken").await;
        let before = admin.get("user/listUsers").await;
        let with = |name: &str, value: &str| {
            let mut new = json!({"login": "grace", "password": "secret-pass", "first": "", "last": "", "email": ""});
            new[name] = json!(value);
            new
        };
        let set = |details: serde_json::Value| json!({"login": "taken", "details": details});
        admin.refuse(vec![
            ("user/create", with("login", "four"), 2800, "`login`: a login has at least 5 characters"),
            ("user/create", with("login", "white space"), 2800, "`login`: a login has no white space"),
            ("user/create", with("login", "a&b&c"), 2800, "`login`: a login can't have the character &"),
            ("user/create", with("login", "TAKEN"), 10100, "the login `TAKEN` is taken"),
            ("user/create", with("password", "four"), 2800, "`password`: a password has 5 to"),
            ("user/create", with("email", "nowhere"), 2800, "`email`: it isn't an address"),
            ("user/create", with("first", "a\nb"), 2800, "`first`: it has control characters"),
            ("user/setDetails", set(json!({"shoe_size": 1, "age": 2})), 2801, "Invalid argument(s): age, shoe_size"),
            ("user/setDetails", set(json!({"password": ""})), 2800, "`password`"),
            ("user/setDetails", set(json!({"first_name": "a", "first_names": "b"})), 2800, "`first_names`: it is an alias of"),
            ("user/setDetails", json!({"login": "nobody", "details": {}}), -213, "No such user: nobody"),
            ("user/addRole", json!({"login": "taken", "role": "king"}), -2005, "No such role: king"),
            ("user/removeRole", json!({"login": "taken", "role": "king"}), -2005, "No such role: king"),
            ("user/addRole", json!({"login": "nobody", "role": "king"}), -213, "No such user: nobody"),
        ]).await;
        assert_eq!(admin.get("user/listUsers").await, before);
        assert_eq!(admin.get("user/listRoles?login=taken").await, Ok(json!([])));
    }
}

on_both_databases! {
    async fn roles_are_given_and_taken(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        admin.make("grace").await;
        let role = |name: &str| json!({"login": "grace", "role": name});
        for _ in 0..2 {
            assert_eq!(admin.post("user/addRole", role("image_admin")).await, Ok(json!(1)));
        }
        assert_eq!(admin.post("user/addRole", role("org_admin")).await, Ok(json!(1)));
        let roles = admin.get("user/listRoles?login=grace").await;
        assert_eq!(roles, Ok(json!(["image_admin", "org_admin"])));
        let grace = server.log_in("grace", "first pass").await.unwrap();
        let assignable = grace.get("user/listAssignableRoles").await;
        assert_eq!(assignable, Ok(json!(["image_admin", "org_admin"])));
        let assignable = admin.get("user/listAssignableRoles").await;
        assert_eq!(assignable, Ok(json!(["image_admin", "org_admin", "satellite_admin"])));

        // Nobody can give themselves, or others, more rights.
        let needed = "You need to have at least a Satellite Administrator role";
        grace.refuse(vec![
            ("user/addRole", role("satellite_admin"), -23, needed),
            ("user/removeRole", json!({"login": "admin", "role": "org_admin"}), -23, needed),
            ("user/setDetails", json!({"login": "admin", "details": {"password": "mine now"}}), -23, needed),
            ("user/delete", json!({"login": "admin"}), -23, needed),
            ("user/disable", json!({"login": "admin"}), -23, needed),
            ("user/setReadOnly", json!({"login": "admin", "readOnly": true}), -23, needed),
        ]).await;
        for _ in 0..2 {
            assert_eq!(admin.post("user/removeRole", role("org_admin")).await, Ok(json!(1)));
        }
        // Removed rights are gone at once, for open sessions too.
        let (code, message) = grace.get("user/listUsers").await.unwrap_err();
        assert_eq!(code, -23);
        assert!(message.contains("Organization Administrator"), "{message}");
    }
}

on_both_databases! {
    async fn the_last_satellite_admin_stays(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let refused = || async {
            admin.refuse(vec![
                ("user/delete", json!({"login": "admin"}), 2800, LAST),
                ("user/disable", json!({"login": "admin"}), 2800, LAST_TO_WRITE),
                ("user/setReadOnly", json!({"login": "admin", "readOnly": true}), 2800, LAST_TO_WRITE),
                ("user/removeRole", json!({"login": "admin", "role": "satellite_admin"}), 2800, LAST_TO_WRITE),
            ]).await;
        };
        refused().await;
        // An administrator who can't log in or change anything doesn't count.
        admin.make("grace").await;
        let role = json!({"login": "grace", "role": "satellite_admin"});
        assert_eq!(admin.post("user/addRole", role).await, Ok(json!(1)));
        assert_eq!(admin.post("user/disable", json!({"login": "grace"})).await, Ok(json!(1)));
        refused().await;
        assert_eq!(admin.post("user/setReadOnly", json!({"login": "grace", "readOnly": true})).await, Ok(json!(1)));
        assert_eq!(admin.post("user/enable", json!({"login": "grace"})).await, Ok(json!(1)));
        refused().await;
        assert_eq!(admin.post("user/setReadOnly", json!({"login": "grace", "readOnly": false})).await, Ok(json!(1)));
        assert_eq!(admin.post("user/delete", json!({"login": "admin"})).await, Ok(json!(1)));
    }
}

on_both_databases! {
    async fn two_satellite_admins_cant_remove_each_other(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let key = server.key(&[Role::OrgAdmin, Role::SatelliteAdmin], false).await;
        let other = Person { server: &server, key };
        let (one, two) = tokio::join!(
            admin.post("user/disable", json!({"login": "tester0"})),
            other.post("user/disable", json!({"login": "admin"})),
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    }
}

on_both_databases! {
    async fn a_disabled_or_deleted_account_is_out_at_once(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        admin.make("grace").await;
        let grace = server.log_in("grace", "first pass").await.unwrap();
        let probe = "user/listAssignableRoles";
        assert!(grace.get(probe).await.is_ok());
        assert_eq!(admin.post("user/disable", json!({"login": "grace"})).await, Ok(json!(1)));
        assert_eq!(server.json("GET", probe, Some(&grace.key), None).await.0, 401);
        let deactivated = server.log_in("grace", "first pass").await.map(|_| ());
        assert_eq!(deactivated, Err((2950, "Your account has been deactivated.".into())));

        assert_eq!(admin.post("user/enable", json!({"login": "grace"})).await, Ok(json!(1)));
        // Earlier sessions don't come back.
        assert_eq!(server.json("GET", probe, Some(&grace.key), None).await.0, 401);
        let grace = server.log_in("grace", "first pass").await.unwrap();
        let password = json!({"login": "grace", "details": {"password": "second pass"}});
        assert_eq!(admin.post("user/setDetails", password).await, Ok(json!(1)));
        assert_eq!(server.json("GET", probe, Some(&grace.key), None).await.0, 401);

        let grace = server.log_in("grace", "second pass").await.unwrap();
        assert_eq!(admin.post("user/delete", json!({"login": "grace"})).await, Ok(json!(1)));
        assert_eq!(server.json("GET", probe, Some(&grace.key), None).await.0, 401);
        assert!(server.log_in("grace", "second pass").await.is_err());

        // Changing one's own password ends all sessions except the calling one.
        let other = server.log_in("admin", ADMIN_PASSWORD).await.unwrap();
        let own = json!({"login": "admin", "details": {"password": "another one"}});
        assert_eq!(admin.post("user/setDetails", own).await, Ok(json!(1)));
        assert!(admin.get(probe).await.is_ok());
        assert_eq!(server.json("GET", probe, Some(&other.key), None).await.0, 401);
        assert!(server.log_in("admin", ADMIN_PASSWORD).await.is_err());
    }
}

#[tokio::test]
async fn everybody_may_read_themselves_and_no_others() {
    let server = server(TestDatabase::sqlite()).await;
    let nobody = server.person(&[]).await;
    for method in ["getDetails", "listRoles"] {
        let own = nobody.get(&format!("user/{method}?login=TESTER0")).await;
        assert!(own.is_ok(), "{own:?}");
        let params = vec![text(&nobody.key), text("tester0")];
        assert!(server.xml(&format!("user.{method}"), params).await.is_ok());
        for other in ["admin", "nobody"] {
            let other = nobody.get(&format!("user/{method}?login={other}")).await;
            assert_eq!(other.map_err(|(code, _)| code), Err(-23));
        }
    }
    let own = json!({"login": "tester0", "details": {"first_name": "A"}});
    assert_eq!(
        nobody
            .post("user/setDetails", own)
            .await
            .map_err(|(code, _)| code),
        Err(-23)
    );
}
