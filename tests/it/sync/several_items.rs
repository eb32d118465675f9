//! A tag that several items select.

use registrysync::oci::PlatformChoice;
use registrysync::sync::{Action, Engine, Status, SyncItem, SyncSpec};

use super::{client, everything, item, literal, run, spec};
use crate::support::images::{ARM64, Blob, Format, Image};
use crate::support::registry::Registry;

/// An item fails if none of its tags has the platform, but this tag is also one of the other item.
#[tokio::test]
async fn a_tag_without_the_platform_is_left_out_if_one_of_its_items_has_another_tag() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::multi(Format::Oci, 5, 1000).store(&source, "app", Some("multi"));
    Image::single(Format::Oci, ARM64, &[Blob::layer(9, 1000)]).store(&source, "app", Some("arm"));
    let (from, to) = (client(source.address()), client(target.address()));
    for items in [
        [everything(), literal(&["arm"])],
        [literal(&["arm"]), everything()],
    ] {
        let wanted = || {
            let amd64 = items.clone().map(|selector| SyncItem {
                architectures: vec![PlatformChoice::parse("amd64").unwrap()],
                ..item(&from, "app", &selector)
            });
            SyncSpec {
                max_parallel: 1,
                ..spec(amd64.into())
            }
        };
        let plan = Engine::new(to.clone(), wanted()).plan().await;
        assert_eq!((plan.copy + plan.skip, plan.blocked), (2, 0), "{plan:?}");
        let ran = run(&to, wanted()).await;
        let outcome = ran.of("arm");
        assert_eq!(
            (outcome.action, outcome.status),
            (Action::Skip, Status::Done)
        );
    }
}
