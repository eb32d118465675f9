//! `org` and `access`, on both databases.

use registrysync::service::Role;
use serde_json::json;

use super::people::{Person, server};
use crate::support::database::TestDatabase;

fn new(name: &str, login: &str) -> serde_json::Value {
    json!({"name": name, "adminLogin": login, "adminPassword": "first pass", "prefix": "Dr.",
        "first": "Ada", "last": "Lovelace", "email": "ada@example.org", "usePam": false})
}

on_both_databases! {
    async fn an_organisation_is_made_with_its_administrator_renamed_and_deleted(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let made = admin.post("org/create", new("Acme", "ada-admin")).await.unwrap();
        let id = made["id"].as_i64().unwrap();
        assert_eq!((&made["name"], &made["active_users"]), (&json!("Acme"), &json!(1)));
        assert!(made["created"].is_string());
        let path = |query: &str| format!("org/getDetails?{query}");
        assert_eq!(admin.get(&path(&format!("id={id}"))).await, Ok(made.clone()));
        assert_eq!(admin.get(&path("name=Acme")).await, Ok(made.clone()));
        let listed = admin.get("org/listOrgs").await.unwrap();
        assert_eq!((listed[0].clone(), &listed[1]["name"]), (made.clone(), &json!("Default")));
        assert_eq!(admin.get("org/listOrgs?limit=1&offset=0").await, Ok(json!([made])));

        // Its administrator is one, sees only its own objects, and creates some for it.
        let ada = server.log_in("ada-admin", "first pass").await.unwrap();
        assert_eq!(ada.get("user/listRoles?login=ada-admin").await, Ok(json!(["org_admin"])));
        assert_eq!(ada.get("user/getDetails?login=ada-admin").await.unwrap()["org_name"], "Acme");
        assert_eq!(ada.get("user/listUsers").await.unwrap().as_array().unwrap().len(), 1);
        assert_eq!(ada.get("user/getDetails?login=admin").await, Err((-213, "No such user: admin".into())));
        for (label, uri) in [("src", "a.example"), ("dest", "b.example")] {
            let store = json!({"label": label, "uri": uri, "storeType": "registry", "credentials": {}});
            assert_eq!(ada.post("image/store/create", store).await, Ok(json!(1)));
        }
        let project = json!({"label": "mirror", "srcStore": "src", "destStore": "dest"});
        assert!(ada.post("registrysync/create", project).await.is_ok());
        let image = json!({"label": "mirror", "repository": "nginx", "tags": ["1"]});
        assert!(ada.post("registrysync/addImage", image).await.is_ok());
        let schedule = json!({"label": "mirror", "cronExpr": "0 0 3 * * ?"});
        assert_eq!(ada.post("registrysync/setSchedule", schedule).await, Ok(json!(1)));
        assert!(ada.post("registrysync/run", json!({"label": "mirror"})).await.is_ok());

        let renamed = admin.post("org/updateName", json!({"id": id, "name": "Acme 2"})).await.unwrap();
        assert_eq!((&renamed["id"], &renamed["name"]), (&json!(id), &json!("Acme 2")));
        assert_eq!(admin.post("org/delete", json!({"id": id})).await, Ok(json!(1)));
        assert_eq!(server.json("GET", "user/listUsers", Some(&ada.key), None).await.0, 401);
        assert!(server.log_in("ada-admin", "first pass").await.is_err());
        let missing = (2850, format!("there is no organisation with the id {id}"));
        assert_eq!(admin.get(&path(&format!("id={id}"))).await, Err(missing.clone()));
        assert_eq!(admin.post("org/delete", json!({"id": id})).await, Err(missing));
        // Names and logins are available again.
        assert!(admin.post("org/create", new("Acme 2", "ada-admin")).await.is_ok());
    }
}

on_both_databases! {
    async fn bad_organisations_are_refused_and_nothing_is_made(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let before = admin.get("org/listOrgs").await;
        let with = |name: &str, value: serde_json::Value| {
            let mut body = new("Acme", "ada-admin");
            body[name] = value;
            body
        };
        admin.refuse(vec![
            ("org/create", with("name", json!("")), 2800, "`name`: it is empty"),
            ("org/create", with("name", json!("Default")), 10100, "an organisation named `Default` already exists"),
            ("org/create", with("adminLogin", json!("ada")), 2800, "`adminLogin`: a login has at least 5"),
            ("org/create", with("adminLogin", json!("ADMIN")), 10100, "the login `ADMIN` is taken"),
            ("org/create", with("adminPassword", json!("x")), 2800, "`adminPassword`: a password has"),
            ("org/create", with("usePam", json!(true)), 2800, "`usePam`: PAM isn't supported"),
            ("org/updateName", json!({"id": 1, "name": " x"}), 2800, "`name`: it begins or ends"),
            ("org/updateName", json!({"id": 99, "name": "x"}), 2850, "there is no organisation with the id 99"),
            ("org/delete", json!({"id": 1}), 2800, "`id`: it is your own organisation"),
        ]).await;
        let unknown = admin.get("org/getDetails?name=Nowhere").await;
        assert_eq!(unknown, Err((2850, "there is no organisation named `Nowhere`".into())));
        assert_eq!(admin.get("org/listOrgs").await, before);

        let made = admin.post("org/create", new("Acme", "ada-admin")).await.unwrap();
        let taken = json!({"id": made["id"], "name": "Default"});
        admin.refuse(vec![("org/updateName", taken, 10100, "already exists")]).await;
        // The first organisation can't be deleted from another one either.
        let key = server.key_in("Acme", &[Role::SatelliteAdmin], false).await;
        let other = Person { server: &server, key };
        other.refuse(vec![("org/delete", json!({"id": 1}), 2800, "`id`: the first organisation")]).await;
    }
}

on_both_databases! {
    async fn the_last_satellite_admins_organisation_stays(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        let made = admin.post("org/create", new("Acme", "ada-admin")).await.unwrap();
        let key = server.key_in("Acme", &[Role::SatelliteAdmin], false).await;
        let role = json!({"login": "admin", "role": "satellite_admin"});
        assert_eq!(admin.post("user/removeRole", role).await, Ok(json!(1)));
        // A read-only account isn't an administrator who could repair anything.
        let reader = server.key_in("Third", &[Role::SatelliteAdmin], true).await;
        let (_, answer) = server.json("POST", "org/delete", Some(&reader), Some("{\"id\": 2}")).await;
        assert_eq!(answer["message"], "The method is not available to read-only API users");
        let other = Person { server: &server, key };
        let own = json!({"id": made["id"]});
        other.refuse(vec![("org/delete", own, 2800, "it is your own organisation")]).await;
    }
}

#[tokio::test]
async fn namespaces_are_listed_with_their_modes() {
    let server = server(TestDatabase::sqlite()).await;
    let person = server.person(&[Role::ImageAdmin]).await;
    let listed = person.get("access/listNamespaces").await.unwrap();
    let modes: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert!(!row["description"].as_str().unwrap().is_empty(), "{row}");
            format!(
                "{} {}",
                row["namespace"].as_str().unwrap(),
                row["access_mode"].as_str().unwrap()
            )
        })
        .collect();
    for expected in [
        "api R",
        "audit R",
        "auth W",
        "image.store R",
        "image.store W",
        "org W",
        "user R",
    ] {
        assert!(
            modes.contains(&expected.to_owned()),
            "{expected}: {modes:?}"
        );
    }
    for absent in ["api W", "audit W", "auth R"] {
        assert!(!modes.contains(&absent.to_owned()), "{absent}: {modes:?}");
    }
    let part = person.get("access/listNamespaces?limit=1&offset=1").await;
    assert_eq!(part.unwrap(), json!([listed[1]]));
}
