//! Some platforms of an index: what referred to the whole index doesn't apply to a smaller one.

use registrysync::oci::PlatformChoice;
use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::{Action, Engine, SelectorSpec, SyncItem, SyncSpec};

use super::{Release, each, listed, referrers_at, tag_for};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;
use crate::sync::{client, everything, item, literal, run, spec};

fn chosen(from: &registrysync::oci::Client, selector: &SelectorSpec) -> SyncSpec {
    let item = SyncItem {
        architectures: vec![PlatformChoice::parse("amd64").unwrap()],
        ..item(from, "app", selector)
    };
    SyncSpec {
        referrers: ReferrerChoice::All,
        ..spec(vec![item])
    }
}

#[tokio::test]
async fn a_smaller_index_has_none_and_its_images_keep_theirs() {
    for target in each().await {
        let source = Registry::start().await;
        let release = Release::new(100);
        release.push(source.address()).await;
        let (from, to) = (client(source.address()), client(target.address()));
        let wanted = || chosen(&from, &literal(&["1"]));
        let plan = Engine::new(to.clone(), wanted()).plan().await;
        let first = run(&to, wanted()).await;
        first.all_done(Action::Copy, 1);
        // The provenance of the one image; not the `.sbom` of another.
        assert_eq!(first.of("1").referrers.written, 1, "{first:?}");
        // The SBOM, and cosign's signature and attestation.
        let warning = "`app:1`: only the chosen platforms are written, so the digest differs, and the \
                       source's 3 referrers don't apply to it: not copied; those of its images are";
        assert_eq!(first.warnings, [warning]);
        assert_eq!(plan.warnings, first.warnings);
        assert!(plan.actions[0].reason.ends_with("; 1 referrer to copy"));
        let child = &release.image.children[0].digest;
        assert_eq!(referrers_at(target.address(), child).await.len(), 1);
        let second = run(&to, wanted()).await;
        second.all_done(Action::Skip, 1);
        assert_eq!(second.of("1").referrers.written, 0);
    }
}

#[tokio::test]
async fn tags_of_the_whole_index_arent_copied_as_tags_of_their_own_either() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let release = Release::new(300);
    release.push(source.address()).await;
    let (from, to) = (client(source.address()), client(target.address()));
    let wanted = || chosen(&from, &everything());
    let plan = Engine::new(to.clone(), wanted()).plan().await;
    let ran = run(&to, wanted()).await;
    for ending in [".sig", ".att"] {
        let tag = tag_for(release.image.digest(), ending);
        let outcome = ran.of(&tag);
        assert_eq!(outcome.action, Action::Skip);
        let why = "; belongs to the source's index, of which only the chosen platforms are copied";
        assert!(outcome.reason.ends_with(why), "{outcome:?}");
        let mut planned = plan.actions.iter();
        let planned = planned.find(|action| action.tag == tag).unwrap();
        assert_eq!(planned.reason, outcome.reason);
        assert!(!target.tags("app").contains_key(&tag));
    }
}

#[tokio::test]
async fn an_index_that_keeps_its_digest_keeps_its_referrers() {
    let source = Registry::start().await;
    let target = Registry::builder()
        .quirk(Quirk::SparseAllowed)
        .start()
        .await;
    let release = Release::new(200);
    release.push(source.address()).await;
    let (from, to) = (client(source.address()), client(target.address()));
    let digest = release.image.digest();
    let ran = run(&to, chosen(&from, &literal(&[digest]))).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.warnings, Vec::<String>::new());
    // All but the `.sbom` of an image that wasn't chosen.
    assert_eq!(ran.of(digest).referrers.written, release.count() - 1);
    let index = listed(target.address(), digest).await.unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
}
