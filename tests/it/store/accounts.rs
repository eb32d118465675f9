use super::account;
use registrysync::store::Error;
use registrysync::store::access::account::{
    AccountChange, NewAccount, Role, account_by_id, account_by_login, account_count,
    account_create, account_login_stamp, account_update, role_list,
};
use registrysync::store::access::org::org_by_name;
use registrysync::store::access::session::{
    session_create, session_delete, session_delete_expired, session_find, session_renew,
};

on_both_databases! {
    async fn an_account_is_found_in_any_case_of_letters(db) {
        db.run(|conn| {
            assert_eq!(account_count(conn)?, 0);
            let (org, id) = account(conn, "acme");
            assert_eq!(org_by_name(conn, "acme")?, Some(org));
            assert_eq!(account_count(conn)?, 1);
            let found = account_by_login(conn, "ACME-Admin")?.expect("the account");
            assert_eq!((found.id, found.org_id, found.last_login), (id, org, None));
            assert_eq!(role_list(conn, id)?, [Role::ImageAdmin, Role::OrgAdmin]);
            account_login_stamp(conn, id)?;
            let change = AccountChange { password_hash: Some("$new$"), ..AccountChange::default() };
            assert!(account_update(conn, id, change)?);
            let found = account_by_id(conn, id)?.expect("the account");
            assert!(found.last_login.is_some_and(|time| time >= found.created));
            assert_eq!(found.password_hash, "$new$");
            assert_eq!(account_by_login(conn, "nobody")?, None);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_login_is_unique_and_a_refused_account_leaves_nothing(db) {
        db.run(|conn| {
            let (org, _) = account(conn, "acme");
            let new = NewAccount {
                org_id: org,
                login: "ACME-ADMIN",
                password_hash: "",
                prefix: "",
                first_name: "",
                last_name: "",
                email: "",
                enabled: true,
                read_only: false,
            };
            let taken = account_create(conn, &new, &[]);
            assert!(matches!(taken, Err(Error::Exists(_))), "{taken:?}");
            // The second of the same role fails: the account created before must be rolled back.
            let new = NewAccount { login: "other", ..new };
            let twice = account_create(conn, &new, &[Role::OrgAdmin, Role::OrgAdmin]);
            assert!(matches!(twice, Err(Error::Exists(_))), "{twice:?}");
            assert_eq!(account_by_login(conn, "other")?, None);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_session_lives_until_it_ends(db) {
        db.run(|conn| {
            let (_, account_id) = account(conn, "acme");
            let id = session_create(conn, account_id, b"secret", 3600, "127.0.0.1")?;
            let (session, time) = session_find(conn, id)?.expect("the session");
            assert!(session.secret_matches(b"secret"));
            assert!(!session.secret_matches(b"Secret"));
            assert!(!session.secret_matches(b""));
            assert_eq!((session.account_id, session.duration_s), (account_id, 3600));
            session_renew(conn, &session, time)?;
            assert!(session_delete(conn, id)?);
            assert!(!session_delete(conn, id)?);
            assert!(session_find(conn, id)?.is_none());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn expired_sessions_are_not_found_and_go(db) {
        db.run(|conn| {
            let (_, account_id) = account(conn, "acme");
            let old = session_create(conn, account_id, b"a", 0, "")?;
            let live = session_create(conn, account_id, b"b", 60, "")?;
            assert!(session_find(conn, old)?.is_none());
            assert_eq!(session_delete_expired(conn)?, 1);
            assert!(session_find(conn, live)?.is_some());
            // Ids are never reused: an old key can't become another's session.
            let next = session_create(conn, account_id, b"c", 60, "")?;
            assert!(session_delete(conn, next)?);
            assert!(session_create(conn, account_id, b"d", 60, "")? > next);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_session_is_renewed_by_its_own_duration(db) {
        db.run(|conn| {
            let (_, account_id) = account(conn, "acme");
            let id = session_create(conn, account_id, b"a", 100, "")?;
            let (mut session, time) = session_find(conn, id)?.expect("the session");
            let before = session.expires;
            // As if half its time were over.
            session.expires -= chrono::TimeDelta::seconds(50);
            session_renew(conn, &session, time)?;
            let (after, time) = session_find(conn, id)?.expect("the session");
            assert!(after.expires > before);
            // A moment later there is nothing to gain.
            session_renew(conn, &after, time)?;
            let (later, _) = session_find(conn, id)?.expect("the session");
            assert_eq!(later.expires, after.expires);
            Ok(())
        })
        .await
        .expect("no error");
    }
}
