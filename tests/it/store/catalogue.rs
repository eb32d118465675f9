//! The catalogue that is kept with a run that waits.

use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::queue::claim;
use registrysync::store::projects::catalogue::{RunCatalogue, catalogue_keep, catalogue_kept};

use super::account;

on_both_databases! {
    async fn the_first_catalogue_is_kept_and_only_while_the_run_waits(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "a");
            let web = ProjectBuilder::new("web").make(conn, &key, org);
            let of = |name: &str| RunCatalogue {
                listed: 1,
                repositories: vec![(1, name.to_owned())],
                ..RunCatalogue::default()
            };
            let waiting = RunBuilder::of(&web).enqueue(conn);
            catalogue_keep(conn, waiting, &of("first"))?;
            catalogue_keep(conn, waiting, &of("second"))?;
            assert_eq!(catalogue_kept(conn, waiting)?, Some(of("first")));
            claim(conn, "w").expect("no error").expect("a part");

            let other = ProjectBuilder::new("other").make(conn, &key, org);
            let started = RunBuilder::of(&other).enqueue(conn);
            claim(conn, "w").expect("no error").expect("a part");
            catalogue_keep(conn, started, &of("late"))?;
            assert_eq!(catalogue_kept(conn, started)?, None);
            Ok(())
        })
        .await
        .expect("no error");
    }
}
