//! `registrysync list-tags`: which tags the selectors pick, and why.

use std::collections::HashSet;

use serde::Serialize;

use crate::oci::Repository;

use super::CliError;
use super::args::ListTagsArguments;
use super::output::{data_line, json_line, talk_line};
use super::source::{client, flag_selector};

#[derive(Serialize)]
struct Line<'a> {
    tag: &'a str,
    selected: bool,
    reason: &'a str,
}

pub(super) async fn run(arguments: ListTagsArguments) -> Result<u8, CliError> {
    let selector = flag_selector(&arguments.select)?;
    let (registry, repository) = split(&arguments.repository);
    let repository = Repository::parse(repository).map_err(CliError::input)?;
    let client = client(registry, arguments.plain_http, arguments.max_names)?;
    let resolved = client
        .address()
        .resolve(&repository)
        .map_err(CliError::input)?;
    let listed = client.tag_listing(&resolved).await?;
    let (listing, dropped) = (listed.entries, listed.dropped);
    let mut selection = selector.select(&listing);
    let listed: HashSet<&str> = listing.iter().map(String::as_str).collect();
    for (tag, verdict) in &mut selection.verdicts {
        // A digest is in no list of tags.
        if verdict.selected && !tag.contains(':') && !listed.contains(tag.as_str()) {
            verdict.selected = false;
            verdict.reason = format!("{}, but not in the repository", verdict.reason);
        }
    }
    for (tag, verdict) in &selection.verdicts {
        if !verdict.selected && !arguments.why {
            continue;
        }
        if arguments.json {
            json_line(&Line {
                tag,
                selected: verdict.selected,
                reason: &verdict.reason,
            });
        } else if arguments.why {
            let mark = if verdict.selected { '+' } else { '-' };
            data_line(&format!("{mark} {tag}: {}", verdict.reason));
        } else {
            data_line(tag);
        }
    }
    if let Some(warning) = dropped.warning() {
        talk_line(&format!("warning: {warning}"));
    }
    Ok(0)
}

/// Registry and path of a reference. As everywhere, a first part without dot, colon or `localhost`
/// is no host, and the registry is Docker Hub.
fn split(text: &str) -> (&str, &str) {
    let start = text.find("://").map_or(0, |at| at + 3);
    let rest = &text[start..];
    match rest.split_once('/') {
        Some((host, path)) if start > 0 || host.contains(['.', ':']) || host == "localhost" => {
            (&text[..start + host.len()], path)
        }
        _ => ("docker.io", text),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn references_name_their_registry() {
        for (text, registry, path) in [
            ("r.example/a/b", "r.example", "a/b"),
            ("localhost/a", "localhost", "a"),
            ("localhost:5000/a", "localhost:5000", "a"),
            ("http://host/a", "http://host", "a"),
            ("nginx", "docker.io", "nginx"),
            ("library/nginx", "docker.io", "library/nginx"),
        ] {
            assert_eq!(split(text), (registry, path), "{text}");
        }
    }
}
