//! A cheap search for a session key at the beginning of an XML-RPC document, before the rest is read.

use crate::service::access::session::SessionKey;

/// Number of hexadecimal digits of a key's secret.
const SECRET: usize = 64;
/// Maximum number of candidates to try.
const TRIES: usize = 2;

/// The first texts in `begin` that have the form of a session key.
pub(in crate::surface) fn keys(begin: &[u8]) -> Vec<String> {
    let is_word = |at: usize| begin.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let found = begin.iter().enumerate().filter_map(|(at, byte)| {
        let end = at + 1 + SECRET;
        if *byte != b'x' || end > begin.len() || is_word(end) {
            return None;
        }
        let digits = begin[..at].iter().rev().take(20);
        let start = at - digits.take_while(|digit| digit.is_ascii_digit()).count();
        if start == at || (start > 0 && is_word(start - 1)) {
            return None;
        }
        let text = std::str::from_utf8(&begin[start..end]).ok()?;
        SessionKey::parse(text).map(|key| key.expose())
    });
    found.take(TRIES).collect()
}

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn a_key_is_found_anywhere() {
        let key = format!("17x{}", "0123456789abcdef".repeat(4));
        for document in [
            format!("<value><string>{key}</string></value>"),
            format!("<value>\n{key}\n</value>"),
            key.clone(),
            format!("xxxx 1x2 é<value>{key}</value>x"),
        ] {
            assert_eq!(keys(document.as_bytes()), [key.as_str()], "{document}");
        }
        for document in [
            String::new(),
            "x".repeat(200),
            format!("a{key}"),
            format!("{key}0"),
            key[..66].to_owned(),
            key.to_uppercase(),
        ] {
            assert!(keys(document.as_bytes()).is_empty(), "{document}");
        }
        assert_eq!(keys(format!("{key} ").repeat(9).as_bytes()).len(), 2);
    }
}
