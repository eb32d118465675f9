//! Listings that are too long, too large or odd: parsed as a stream, within limits.

use registrysync::oci::http::options::ListingLimit;
use registrysync::oci::{Client, Digest};

use crate::support::raw::{RawServer, answer, endlessly};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::sync::{client, everything, item, options, repository, run, spec};

const MIB: usize = 1024 * 1024;

fn limited(address: &str, names: usize) -> Client {
    let mut options = options(address);
    options.listing = ListingLimit { names };
    Client::new(options).unwrap()
}

fn answers(body: &str) -> Action {
    Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

/// Endless pages, each with a link to another one.
async fn endless(list: &'static str, per_page: usize) -> RawServer {
    RawServer::start(move |_, number, mut stream| async move {
        let names: Vec<String> = (0..per_page)
            .map(|n| format!("\"t{number}x{n}\""))
            .collect();
        let link = format!("link: </v2/next?page={number}>; rel=\"next\"\r\n");
        let body = format!("{{\"{list}\":[{}]}}", names.join(","));
        answer(&mut stream, &link, body.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn a_listing_without_end_ends_at_its_limits() {
    for (per_page, words, most) in [
        (100, "more than 1000 names", 12),
        (1, "more than 25 pages", 27),
    ] {
        let server = endless("tags", per_page).await;
        let failed = limited(server.address(), 1000)
            .tag_list(&repository("app"))
            .await;
        let text = failed.unwrap_err().to_string();
        assert!(
            text.contains(words) && text.contains("`max_names`"),
            "{text}"
        );
        assert!(server.requests() <= most, "{}", server.requests());
    }
    let server = endless("repositories", 100).await;
    let failed = limited(server.address(), 1000).repository_list().await;
    assert!(
        failed
            .unwrap_err()
            .to_string()
            .contains("more than 1000 names")
    );
    let server = endless("manifests", 100).await;
    let digest = Digest::of(b"x");
    let failed = limited(server.address(), 1000)
        .referrer_list(&repository("app"), &digest)
        .await;
    assert!(
        failed
            .unwrap_err()
            .to_string()
            .contains("more than 1000 names")
    );
}

#[tokio::test]
async fn a_store_may_raise_the_limit() {
    let registry = Registry::start().await;
    let tags: Vec<String> = (0..3000).map(|n| format!("\"v{n}\"")).collect();
    let body = format!("{{\"tags\":[{}]}}", tags.join(","));
    registry.fault_add(Fault::on("GET", "/tags/list", answers(&body)));
    for (names, fits) in [(2999, false), (3000, true)] {
        let tags = limited(registry.address(), names)
            .tag_list(&repository("app"))
            .await;
        assert_eq!(tags.is_ok_and(|tags| tags.len() == 3000), fits, "{names}");
    }
}

/// An endless page, or an endless name in it: reading is limited, and memory even more so.
#[tokio::test]
async fn bytes_without_end_end_at_the_limit() {
    for (start, more) in [
        ("{\"tags\":[\"a\"", ",\"not a tag, and long\""),
        ("{\"tags\":[\"", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("{\"other\":[", "{\"x\":[1,2,3]},"),
        ("{", "                                "),
    ] {
        let server = RawServer::start(move |_, _, mut stream| async move {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
            endlessly_after(&mut stream, &format!("{head}{start}"), more).await;
        })
        .await;
        let failed = limited(server.address(), 5000)
            .tag_list(&repository("app"))
            .await;
        let text = failed.unwrap_err().to_string();
        assert!(text.contains("more than"), "{start}: {text}");
        assert_eq!(server.requests(), 1, "{start}");
    }
}

/// It has at most the size of the index that it could be.
#[tokio::test]
async fn a_list_of_referrers_ends_at_its_own_limit() {
    let server = RawServer::start(|_, _, mut stream| async move {
        let start = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"other\":[";
        endlessly_after(&mut stream, start, "{\"x\":[1,2,3]},").await;
    })
    .await;
    let failed = client(server.address())
        .referrer_list(&repository("app"), &Digest::of(b"x"))
        .await;
    let text = failed.unwrap_err().to_string();
    assert!(
        text.ends_with("the listing has more than 8.00 MiB"),
        "{text}"
    );
}

async fn endlessly_after(stream: &mut tokio::net::TcpStream, start: &str, more: &str) {
    use tokio::io::AsyncWriteExt as _;
    let _ = stream.write_all(start.as_bytes()).await;
    endlessly(stream, more.repeat(100).as_bytes()).await;
}

#[tokio::test]
async fn odd_entries_cost_themselves_only() {
    let registry = Registry::start().await;
    let long = "x".repeat(8 * MIB);
    let body = format!(
        r#"{{"name":"app","tags":[null,"1.0","{long}",7,{{"tag":"2.0"}},["3"],"a/b","nul\u0000","","1.1","esc\u001b[31m"]}}"#
    );
    registry.fault_add(Fault::on("GET", "/tags/list", answers(&body)));
    let listing = client(registry.address())
        .tag_listing(&repository("app"))
        .await
        .unwrap();
    assert_eq!(listing.entries, ["1.0", "1.1"]);
    assert_eq!(listing.dropped.count, 9);
    assert_eq!(listing.dropped.named.len(), 5);
    for name in &listing.dropped.named {
        assert!(
            name.chars().count() <= 101 && !name.contains(char::is_control),
            "{name:?}"
        );
    }
    let target = Registry::start().await;
    let from = client(registry.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    let warning = ran
        .warnings
        .iter()
        .find(|line| line.contains("not valid tags"))
        .unwrap();
    assert!(
        warning.contains("9 names") && warning.len() < 1000,
        "{warning}"
    );
}

#[tokio::test]
async fn odd_repositories_and_referrers_cost_themselves_only() {
    let registry = Registry::start().await;
    let body = r#"{"repositories":["team/app",null,"Not A Repository","b\u0000","tools/x"]}"#;
    registry.fault_add(Fault::on("GET", "_catalog", answers(body)));
    let client = client(registry.address());
    assert_eq!(
        client.repository_list().await.unwrap(),
        ["team/app", "tools/x"]
    );
    let digest = Digest::of(b"x");
    let body = format!(
        r#"{{"schemaVersion":2,"manifests":[null,{{"digest":"none"}},{{"mediaType":"a/b","digest":"{digest}","size":3}}]}}"#
    );
    registry.fault_add(Fault::on("GET", "/referrers/", answers(&body)));
    let found = client
        .referrer_list(&repository("app"), &digest)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

/// `ping` needs one repository, whatever else there is.
#[tokio::test]
async fn ping_reads_no_more_of_a_catalogue_than_it_needs() {
    let server = endless("repositories", 100).await;
    let ping = client(server.address()).ping().await;
    assert_eq!(ping.catalog, Some(true));
    assert!(server.requests() < 6, "{}", server.requests());
}
