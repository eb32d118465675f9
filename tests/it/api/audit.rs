//! The audit trail, on both databases.

use registrysync::service::Role;
use serde_json::{Value, json};

use super::people::{Person, server};
use super::server::{ADMIN_PASSWORD, text};

/// `login method object outcome` of each event, oldest first.
async fn trail(person: &Person<'_>, query: &str) -> Vec<String> {
    let events = person
        .get(&format!("audit/listEvents?{query}"))
        .await
        .unwrap();
    let mut lines: Vec<String> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            assert_eq!(event["address"], "127.0.0.1");
            assert!(event["time"].as_str().unwrap().ends_with('Z'));
            let words = ["login", "method", "object", "outcome"];
            words
                .map(|word| event[word].as_str().unwrap().to_owned())
                .join(" ")
        })
        .collect();
    lines.reverse();
    lines
}

on_both_databases! {
    async fn changes_refusals_logins_and_logouts_are_written_down(database) {
        let server = server(database).await;
        assert!(server.log_in("admin", "a wrong secret").await.is_err());
        assert!(server.log_in("no\u{1}body", "a wrong secret").await.is_err());
        let body = json!({"login": "ADMIN", "password": "a wrong secret"}).to_string();
        assert_eq!(server.json("POST", "auth/login", None, Some(&body)).await.0, 401);
        let admin = server.admin().await;
        let second = server.admin().await;
        for key in [second.key.as_str(), second.key.as_str(), "garbage"] {
            server.xml("auth.logout", vec![text(key)]).await.unwrap();
        }
        // Calls that only read aren't recorded.
        admin.get("user/listUsers").await.unwrap();
        server.xml("auth.isSessionKeyValid", vec![text(&admin.key)]).await.unwrap();

        let store = json!({"label": "hub", "uri": "r.example", "storeType": "registry",
            "credentials": {"username": "robot", "password": "store secret"}});
        assert_eq!(admin.post("image/store/create", store.clone()).await, Ok(json!(1)));
        assert!(admin.post("image/store/create", store).await.is_err());
        admin.make("grace").await;
        let change = json!({"login": "grace", "details": {"password": "grace secret"}});
        admin.post("user/setDetails", change).await.unwrap();
        assert!(admin.post("registrysync/removeImage", json!({"itemId": 7})).await.is_err());
        let reader = Person { key: server.key(&[Role::ImageAdmin], true).await, server: &server };
        assert!(reader.post("image/store/delete", json!({"label": "hub"})).await.is_err());
        let nobody = server.person(&[]).await;
        let params = vec![text(&nobody.key), text("hub")];
        assert!(server.xml("image.store.delete", params).await.is_err());
        // A call with invalid arguments counts as refused, too.
        let odd = json!({"login": "grace", "details": {"odd": "odd secret"}});
        assert!(admin.post("user/setDetails", odd).await.is_err());

        let all = trail(&admin, "limit=100").await;
        assert_eq!(all, [
            "admin auth.login admin 2950",
            "no\u{fffd}body auth.login no\u{fffd}body 2950",
            "admin auth.login ADMIN 2950",
            "admin auth.login admin ok",
            "admin auth.login admin ok",
            "admin auth.logout  ok",
            "admin image.store.create hub ok",
            "admin image.store.create hub 1213",
            "admin user.create grace ok",
            "admin user.setDetails grace ok",
            "admin registrysync.removeImage 7 10101",
            "tester0 image.store.delete hub -1",
            "tester1 image.store.delete hub -23",
            "admin user.setDetails grace 2801",
        ]);
        let raw = admin.get("audit/listEvents?limit=100").await.unwrap().to_string();
        let secrets = ["secret", ADMIN_PASSWORD, "first pass", &admin.key, &second.key];
        for secret in secrets {
            assert!(!raw.contains(secret), "{secret}: {raw}");
        }
    }
}

on_both_databases! {
    async fn events_are_paged_filtered_and_kept_apart_by_organisation(database) {
        let server = server(database).await;
        let admin = server.admin().await;
        for login in ["user-a", "user-b", "user-c"] {
            admin.make(login).await;
        }
        assert!(server.log_in("nobody", "wrong").await.is_err());
        let key = server.key_in("Acme", &[Role::OrgAdmin], false).await;
        let other = Person { server: &server, key };
        other.make("user-d").await;

        let last = trail(&admin, "limit=2").await;
        assert_eq!(last, ["nobody auth.login nobody 2950", "tester0 user.create user-d ok"]);
        let ids: Vec<Value> = admin.get("audit/listEvents?limit=3").await.unwrap().as_array().unwrap()
            .iter().map(|event| event["id"].clone()).collect();
        let page = trail(&admin, &format!("limit=2&beforeId={}", ids[1])).await;
        assert_eq!(page, ["admin user.create user-b ok", "admin user.create user-c ok"]);
        assert_eq!(trail(&admin, "limit=0").await.len(), 0);

        let filtered = async |filter: Value| {
            let query = format!("limit=100&beforeId=0&filter={}", urlencoded(&filter.to_string()));
            trail(&admin, &query).await
        };
        assert_eq!(filtered(json!({})).await.len(), 6);
        assert_eq!(filtered(json!({"login": "tester0"})).await, ["tester0 user.create user-d ok"]);
        assert_eq!(filtered(json!({"method": "user.create"})).await.len(), 4);
        assert_eq!(filtered(json!({"method": "user.create", "object": "user-b"})).await, ["admin user.create user-b ok"]);
        assert_eq!(filtered(json!({"outcome": "2950"})).await, ["nobody auth.login nobody 2950"]);
        assert_eq!(filtered(json!({"since": "2020-01-01T00:00:00Z"})).await.len(), 6);
        assert_eq!(filtered(json!({"until": "2020-01-01T00:00:00Z"})).await.len(), 0);
        assert_eq!(filtered(json!({"since": "2999-01-01T00:00:00+02:00"})).await.len(), 0);

        for (query, code, part) in [
            ("limit=-1", 2800, "`limit`"),
            ("limit=1&beforeId=-1", 2800, "`beforeId`"),
            ("limit=1&beforeId=0&filter={\"who\":\"x\"}", 2801, "Invalid argument(s): who"),
        ] {
            let (got, message) = admin.get(&format!("audit/listEvents?{query}")).await.unwrap_err();
            assert_eq!(got, code, "{query}: {message}");
            assert!(message.contains(part), "{query}: {message}");
        }

        // An organisation's administrator sees that organisation alone.
        assert_eq!(trail(&other, "limit=100").await, ["tester0 user.create user-d ok"]);
        let own = server.person(&[Role::OrgAdmin]).await;
        let seen = trail(&own, "limit=100").await;
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert!(seen.iter().all(|line| line.starts_with("admin ")), "{seen:?}");
        // A server administrator of any organisation sees all.
        let satellite = server.person(&[Role::SatelliteAdmin]).await;
        assert_eq!(trail(&satellite, "limit=100").await.len(), 6);
        let image = server.person(&[Role::ImageAdmin]).await;
        assert_eq!(image.get("audit/listEvents?limit=1").await.map_err(|(code, _)| code), Err(-23));

        // The trail outlives the objects it is about.
        let org = admin.get("org/getDetails?name=Acme").await.unwrap();
        admin.post("org/delete", json!({"id": org["id"]})).await.unwrap();
        assert_eq!(filtered(json!({"object": "user-d"})).await, ["tester0 user.create user-d ok"]);
    }
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
