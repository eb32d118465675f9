//! What a project has written, and isn't its own any more.

use super::pruning::{run, store, tags, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_somebody_puts_back_after_its_delete_stays() {
    let (source, target, _server, session) = world(None).await;
    source.tag_remove("app", "3");
    let done = run(&session).await;
    assert_eq!(done["counts"]["deleted"], 1, "{done}");
    // The image that the project had written.
    store(&target, 3, "3");
    let done = run(&session).await;
    assert_eq!(done["counts"]["deleted"], 0, "{done}");
    assert_eq!(tags(&target), "1 2 3 4 5");
}
