//! Long lists are streamed: the server's memory doesn't grow with them.

use std::collections::HashSet;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use registrysync::store::DbConnection;

use super::server::{Server, Session};
use crate::cli::memory::peak;
use crate::support::images::{Image, client};
use crate::support::registry::Registry;

const ENTRIES: usize = 100_000;
/// How much listing all of them may add to the server's peak memory. One such list is 60 MB of XML
/// and 160 MB of rows; in memory are a page or two, and the caches of SQLite, 2 MB a connection.
const GROWTH_KIB: u64 = 32 * 1024;

const FILL: [&str; 2] = [
    "INSERT INTO run_result (run_id, part_id, repository, tag, target, action, status,
        source_digest, target_digest, bytes, duration_ms)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ENTRIES)
    SELECT RUN, (SELECT min(id) FROM run_part WHERE run_id = RUN), 'app',
        printf('build-%06d', i), printf('b.example/app:build-%06d', i), 'copy', 'done',
        printf('sha256:%064x', i), printf('sha256:%064x', i), 1099511627776, 5 FROM n",
    "INSERT INTO run_log (run_id, seq, time, level, message)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ENTRIES)
    SELECT RUN, 1000 + i, '2026-01-01 00:00:00', 'info', printf('`app:build-%06d` is copied', i)
    FROM n",
];

/// An ended run.
async fn run(session: &Session) -> i64 {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    session.run_ended(id).await;
    id
}

/// Gives a run this many results and lines besides its own.
async fn fill(server: &Server, id: i64) {
    let fill = move |conn: &mut DbConnection| {
        for statement in FILL {
            let statement = statement.replace("ENTRIES", &ENTRIES.to_string());
            let statement = statement.replace("RUN", &id.to_string());
            assert_eq!(diesel::sql_query(statement).execute(conn)?, ENTRIES);
        }
        Ok(())
    };
    server.sqlite().run(fill).await.expect("filled");
}

/// Calls over XML-RPC and counts the result without keeping it.
async fn xml_bytes(server: &Server, call: dxr::MethodCall<'_>) -> (usize, String) {
    let request = client().post(format!("{}/rpc/api", server.url));
    let request = request
        .header("content-type", "text/xml")
        .body(call.to_xml().expect("XML"));
    let mut answer = request.send().await.expect("an answer");
    let (mut bytes, mut end) = (0, Vec::new());
    while let Some(piece) = answer.chunk().await.expect("a whole answer") {
        bytes += piece.len();
        end.extend_from_slice(&piece);
        end.drain(..end.len().saturating_sub(200));
    }
    (bytes, String::from_utf8_lossy(&end).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_streamed_on_both_wires() {
    let server = Server::start(None);
    let session = server.login().await;
    let id = run(&session).await;
    let number = dxr::Value::Integer(i32::try_from(id).expect("an id"));
    let key = || dxr::Value::String(session.key.clone());
    let call = |name: &str, params: Vec<dxr::Value>| dxr::MethodCall {
        name: name.to_owned().into(),
        params,
    };
    let one = |name: &str| {
        let params = dxr::Value::Array(vec![key(), number.clone()]);
        let members = [
            ("methodName".to_owned(), dxr::Value::String(name.into())),
            ("params".to_owned(), params),
        ];
        dxr::Value::Struct(members.into())
    };
    let names = ["registrysync.listRunResults", "registrysync.getRunLog"];
    let documents = [
        "registrysync.getRunEvidence",
        "registrysync.getRunEvidenceCsv",
    ];
    // The code of each method is in memory from its first call on.
    for name in names.into_iter().chain(documents) {
        xml_bytes(&server, call(name, vec![key(), number.clone()])).await;
    }
    fill(&server, id).await;
    let before = peak(server.id()).expect("a process");
    for name in names {
        let (bytes, end) = xml_bytes(&server, call(name, vec![key(), number.clone()])).await;
        assert!(bytes > ENTRIES * 200, "{name}: {bytes} bytes");
        assert!(
            end.ends_with("</data></array></value></param></params></methodResponse>"),
            "{end}"
        );
    }
    for name in documents {
        let (bytes, end) = xml_bytes(&server, call(name, vec![key(), number.clone()])).await;
        assert!(bytes > ENTRIES * 200, "{name}: {bytes} bytes");
        assert!(
            end.ends_with("</value></param></params></methodResponse>"),
            "{end}"
        );
    }
    let many = dxr::Value::Array([0, 1, 0, 1].iter().map(|n| one(names[*n])).collect());
    let (bytes, end) = xml_bytes(&server, call("system.multicall", vec![many])).await;
    assert!(bytes > ENTRIES * 800, "{bytes}");
    assert!(end.ends_with("</methodResponse>"), "{end}");
    let text = vec![key(), number.clone(), dxr::Value::Integer(-1)];
    let (bytes, _) = xml_bytes(&server, call("taskomatic.org.getRunStdOutputLog", text)).await;
    assert!(bytes > ENTRIES * 40, "{bytes}");
    let text = vec![key(), number.clone(), dxr::Value::Integer(1000)];
    let (bytes, end) = xml_bytes(&server, call("taskomatic.org.getRunStdOutputLog", text)).await;
    assert!((1000..1300).contains(&bytes), "{bytes}");
    assert!(end.contains("build-099999"), "{end}");
    let after = peak(server.id()).expect("a process");
    assert!(
        after < before + GROWTH_KIB,
        "{before} KiB, then {after} KiB"
    );

    let results = session.results(id).await;
    let tags = results.iter().filter_map(|result| result["tag"].as_str());
    let tags: HashSet<&str> = tags.filter(|tag| tag.starts_with("build-")).collect();
    assert_eq!(tags.len(), ENTRIES);
    assert_eq!(results.last().expect("a result")["tag"], "build-099999");
    let run_id = id.to_string();
    let query = [
        ("runId", run_id.as_str()),
        ("offset", "99990"),
        ("limit", "10"),
    ];
    let lines = session
        .get("registrysync/getRunLog", &query)
        .await
        .expect("lines");
    let lines = lines.as_array().expect("a list");
    assert_eq!((lines.len(), lines[0]["seq"].as_i64()), (10, Some(99_991)));
    let after = peak(server.id()).expect("a process");
    assert!(
        after < before + GROWTH_KIB,
        "{before} KiB, then {after} KiB"
    );
}

/// An error between two pages cuts off the response, so that it doesn't look complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_can_not_be_read_on_has_no_end() {
    let server = Server::start(None);
    let session = server.login().await;
    let id = run(&session).await;
    fill(&server, id).await;
    let db = server.sqlite();
    let spoil = |conn: &mut DbConnection| {
        let DbConnection::Sqlite(conn) = conn else {
            panic!("no SQLite");
        };
        conn.batch_execute(
            "PRAGMA ignore_check_constraints = ON;
            UPDATE run_result SET status = 'unheard of' WHERE tag = 'build-090000';
            PRAGMA ignore_check_constraints = OFF;",
        )?;
        Ok(())
    };
    db.run(spoil).await.expect("spoiled");
    let url = format!(
        "{}/rhn/manager/api/registrysync/listRunResults?runId={id}",
        server.url
    );
    let answer = client()
        .get(url)
        .bearer_auth(&session.key)
        .send()
        .await
        .expect("a head");
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "the answer looks whole");
}

/// The same for what users create themselves, by the tens of thousands.
#[tokio::test(flavor = "multi_thread")]
async fn items_stores_and_users_are_streamed_too() {
    const COUNT: usize = 40_000;
    const FILL: [&str; 3] = [
        "INSERT INTO sync_item (project_id, repository, options)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < COUNT)
        SELECT (SELECT min(id) FROM sync_project), printf('team/app-%06d', i),
            '{\"tags\":[\"' || printf('%0400d', i) || '\"]}' FROM n",
        "INSERT INTO image_store (org_id, label, store_type, uri, options, created, modified)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < COUNT)
        SELECT (SELECT min(id) FROM org), printf('store-%06d', i), 'registry', printf('r%0200d.example', i),
            '{}', '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM n",
        "INSERT INTO account (org_id, login, login_uc, password_hash, prefix, first_name, last_name, email,
            enabled, read_only, created)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < COUNT)
        SELECT (SELECT min(id) FROM org), printf('user-%06d', i), printf('USER-%06d', i), '', '',
            printf('%0300d', i), '', '', TRUE, FALSE, '2026-01-01 00:00:00' FROM n",
    ];
    let server = Server::start(None);
    let session = server.login().await;
    let (source, target) = (Registry::start().await, Registry::start().await);
    session
        .project(source.address(), target.address(), &[])
        .await;
    let fill = |conn: &mut DbConnection| {
        for statement in FILL {
            let statement = statement.replace("COUNT", &COUNT.to_string());
            assert_eq!(diesel::sql_query(statement).execute(conn)?, COUNT);
        }
        Ok(())
    };
    server.sqlite().run(fill).await.expect("filled");
    let key = dxr::Value::String(session.key.clone());
    let before = peak(server.id()).expect("a process");
    for (name, more) in [
        ("registrysync.listImages", Some("web")),
        ("image.store.listImageStores", None),
        ("user.listUsers", None),
    ] {
        let more = more.map(|text| dxr::Value::String(text.to_owned()));
        let call = dxr::MethodCall {
            name: name.to_owned().into(),
            params: [key.clone()].into_iter().chain(more).collect(),
        };
        let (bytes, end) = xml_bytes(&server, call).await;
        assert!(bytes > COUNT * 200, "{name}: {bytes} bytes, {end}");
        assert!(end.ends_with("</methodResponse>"), "{name}: {end}");
    }
    let after = peak(server.id()).expect("a process");
    assert!(
        after < before + GROWTH_KIB,
        "{before} KiB, then {after} KiB"
    );
    // A part across the boundary of two pages.
    let part = [("limit", "1500"), ("offset", "900")];
    let stores = session.get("image/store/listImageStores", &part).await;
    let stores = stores.expect("stores");
    let stores = stores.as_array().expect("a list");
    // The first one is a store of the project.
    let labels = |number: usize| stores[number]["label"].as_str().expect("a label");
    assert_eq!(stores.len(), 1500);
    assert_eq!((labels(0), labels(1499)), ("store-000899", "store-002398"));
}
