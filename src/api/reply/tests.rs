//! Replies, piece by piece.

use super::{IntoReply, List, PIECE_BYTES, Reply};
use crate::api::ApiError;
use crate::api::value::write::Wire;
use futures_util::StreamExt as _;
use futures_util::stream;

#[tokio::test]
async fn no_piece_is_much_longer_than_its_bound() {
    for wire in [Wire::Xml, Wire::Json] {
        let list = List::whole(vec!["x".repeat(100); 10_000]).into_reply();
        let mut pieces = list.pieces(wire, "<", ">");
        let (mut count, mut all) = (0, 0);
        while let Some(piece) = pieces.next().await.expect("no error") {
            count += 1;
            all += piece.len();
            assert!(piece.len() < PIECE_BYTES + 200_000);
            assert_eq!(
                pieces.is_done(),
                piece.ends_with(b">") && piece.len() < PIECE_BYTES
            );
        }
        assert!(count > 5 && all > 1_000_000, "{count} {all}");
    }
    let one = 1.into_reply().pieces(Wire::Json, "a", "b").next().await;
    assert_eq!(one.expect("no error").as_deref(), Some(&b"a1b"[..]));
}

#[tokio::test]
async fn lists_are_arrays_on_both_wires() {
    let list = || List::whole(vec![1, 2]).into_reply();
    assert_eq!(list().json().await, Ok(serde_json::json!([1, 2])));
    let empty = List::whole(Vec::<i32>::new()).into_reply();
    assert_eq!(empty.json().await, Ok(serde_json::json!([])));
    let xml = list()
        .pieces(Wire::Xml, "", "")
        .next()
        .await
        .expect("no error");
    let expected = "<value><array><data><value><i4>1</i4></value><value><i4>2</i4></value></data></array></value>";
    assert_eq!(xml.as_deref(), Some(expected.as_bytes()));
}

#[tokio::test]
async fn a_list_may_be_the_last_member_of_a_struct() {
    let head = std::collections::BTreeMap::from([("a", 1)]);
    let record = || List::whole(vec![1, 2]).below(head.clone(), "all");
    let expected = serde_json::json!({"a": 1, "all": [1, 2]});
    assert_eq!(record().json().await, Ok(expected));
    let xml = record().pieces(Wire::Xml, "", "").next().await;
    let expected = "<value><struct><member><name>a</name><value><i4>1</i4></value></member>\
        <member><name>all</name><value><array><data><value><i4>1</i4></value>\
        <value><i4>2</i4></value></data></array></value></member></struct></value>";
    assert_eq!(xml.expect("no error").as_deref(), Some(expected.as_bytes()));
    let no_struct = List::whole(vec![1]).below(1, "all").json().await;
    assert!(no_struct.is_err());
}

#[tokio::test]
async fn a_list_that_breaks_off_has_no_end() {
    let fails = || Err(ApiError::not_found("gone"));
    let pages = [
        Ok(vec!["x".repeat(PIECE_BYTES)]),
        fails(),
        Ok(vec![String::new()]),
    ];
    let mut pieces = List(stream::iter(pages).boxed())
        .into_reply()
        .pieces(Wire::Json, "", "");
    assert!(pieces.next().await.is_ok_and(|piece| piece.is_some()));
    assert_eq!(pieces.next().await, Err(ApiError::not_found("gone")));
    assert_eq!(pieces.next().await, Ok(None));
}

#[tokio::test]
async fn later_pages_are_read_only_while_somebody_may_see_them() {
    let pages = stream::iter((0..).map(|n| Ok(vec![n])));
    let left = std::sync::atomic::AtomicI32::new(3);
    let reply = List(pages.boxed()).into_reply().watched(move || {
        let left = left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            if left > 0 {
                Ok(())
            } else {
                Err(ApiError::not_found("session"))
            }
        }
    });
    assert_eq!(reply.json().await, Err(ApiError::not_found("session")));
    assert!(matches!(1.into_reply(), Reply::Whole(_)));
}
