//! What requests cost the server before login: they are refused, and memory stays small.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::Server;
use crate::cli::memory::peak;
use crate::support::images::client;

/// Far more than the server may keep of it, and less than is discarded unread.
const LARGE: usize = 100 << 20;
/// How much the server's peak may grow; the rest is password hashing and the code itself.
const GROWTH_MAX_KIB: u64 = 48 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_are_not_kept() {
    let plain = vec![b' '; LARGE];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let bomb = encoder.finish().unwrap();
    for (encoding, body) in [("identity", plain), ("gzip", bomb)] {
        let server = Server::start(None);
        let url = format!("{}/rpc/api", server.url);
        client().post(&url).body("small").send().await.unwrap();
        let before = peak(server.id()).unwrap();
        let request = client().post(&url).header("content-encoding", encoding);
        // If the server doesn't wait for all of it, the client may lose the response.
        if let Ok(answer) = request.body(body).send().await {
            let text = answer.text().await.unwrap();
            assert!(text.contains("larger than"), "{encoding}: {text}");
        }
        let grown = peak(server.id()).unwrap() - before;
        assert!(grown < GROWTH_MAX_KIB, "{encoding}: {grown} KiB more");
    }
}
