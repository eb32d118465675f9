//! Valid entries of a list of tags, and hints for invalid ones: which selector was meant.

use super::pattern::Pattern;
use super::semver::Range;
use crate::oci::{Digest, Reference, Tag};

/// Parses an entry as a tag or a digest; the error says what is wrong and which selector was meant.
pub(in crate::sync) fn literal(entry: &str) -> Result<Reference, String> {
    let is_digest = entry
        .split_once(':')
        .is_some_and(|(algorithm, _)| matches!(algorithm, "sha256" | "sha512"));
    if is_digest {
        return Digest::parse(entry)
            .map(Reference::from)
            .map_err(|error| format!("not a valid digest: {}", error.reason));
    }
    Tag::parse(entry)
        .map(Reference::from)
        .map_err(|error| format!("not a valid tag: {}{}", error.reason, selector_meant(entry)))
}

/// Bytes; parsing a longer entry as a range or a pattern costs more than a hint is worth.
const HINTED: usize = 1024;

/// A hint at the selector that the user probably meant.
fn selector_meant(entry: &str) -> &'static str {
    if entry.len() > HINTED {
        return "";
    }
    let compares = entry.starts_with(['<', '>', '=', '~', '^', '!'])
        || entry.contains(" - ")
        || entry.contains("||");
    let digest = entry.split_once('@').map(|(_, digest)| digest);
    if digest.is_some_and(|digest| Digest::parse(digest).is_ok()) {
        "; give the digest alone, without the tag"
    } else if compares && Range::parse(entry).is_ok() {
        "; use `semver` for a range of versions"
    } else if entry.contains(['*', '?', '[', '(', '|', '^', '$', '+', '\\', '{']) {
        if Pattern::new(entry).is_ok() {
            "; use `tags_regex` for a regular expression"
        } else {
            "; use `tags_regex` for many tags, with `.*` for any text"
        }
    } else if entry.contains([',', ' ']) {
        "; give each tag as a separate entry"
    } else {
        ""
    }
}
