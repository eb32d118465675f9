//! `registrysync list-tags`: which tags the selectors select, and why.

use serde::Serialize;

use crate::oci::Repository;
use crate::sync::offload::Asker;
use crate::sync::selection::resolve::{ResolveError, selection_resolve};

use super::source::{client, flag_selector, reference};
use crate::cli::args::ListTagsArguments;
use crate::cli::error::CliError;
use crate::cli::output::{data_line, json_line, talk_line};
use crate::text::counted;

#[derive(Serialize)]
struct Line<'a> {
    tag: &'a str,
    selected: bool,
    reason: &'a str,
}

pub(in crate::cli) async fn run(arguments: ListTagsArguments) -> Result<u8, CliError> {
    let selector = flag_selector(&arguments.select)?;
    let (registry, repository) = split(&arguments.repository)?;
    let repository = Repository::parse(repository).map_err(CliError::input)?;
    let client = client(registry, &arguments.trust, arguments.max_names)?;
    let resolved = client
        .address()
        .resolve(&repository)
        .map_err(CliError::input)?;
    let listed = client.tag_listing(&resolved).await?;
    let (listing, dropped) = (listed.entries, listed.dropped);
    let (source, names) = (client.into(), listing.clone());
    let selection = selection_resolve(&source, &resolved, selector, names, Asker::Run).await;
    let mut selection = selection.map_err(|error| match error {
        ResolveError::Slow { .. } => CliError::input(error),
        ResolveError::Source(error) => error.into(),
    })?;
    let missing = selection.missing_deselect(&listing);
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
    if let Some(warning) = dropped.tags_warning() {
        talk_line(&format!("warning: {warning}"));
    }
    for tag in &missing {
        talk_line(&format!("registrysync: `{resolved}` has no tag `{tag}`"));
    }
    for (tag, why) in &selection.unread {
        talk_line(&format!(
            "registrysync: `{resolved}:{tag}`: its creation time can't be read: {why}"
        ));
    }
    let is_whole = missing.is_empty() && selection.unread.is_empty();
    if is_whole && !selection.verdicts.iter().any(|(_, v)| v.selected) {
        talk_line(&match listing.len() as u64 {
            0 => format!("`{resolved}` has no tags"),
            count => format!(
                "no tag of `{resolved}` is selected; it has {}",
                counted(count, "tag")
            ),
        });
    }
    Ok(u8::from(!is_whole))
}

/// Registry and path of a reference. As everywhere, a first part without dot or colon other than
/// `localhost` isn't a host, and the registry is Docker Hub.
fn split(text: &str) -> Result<(&str, &str), CliError> {
    let text = reference(text);
    let start = text.find("://").map_or(0, |at| at + 3);
    let rest = &text[start..];
    let is_host = |first: &str| start > 0 || first.contains(['.', ':']) || first == "localhost";
    match rest.split_once('/') {
        Some((host, "")) if is_host(host) => Err(path_missing(text, host)),
        Some((host, path)) if is_host(host) => Ok((&text[..start + host.len()], path)),
        None if is_host(rest) => Err(path_missing(text, rest)),
        _ => Ok(("docker.io", text)),
    }
}

fn path_missing(text: &str, host: &str) -> CliError {
    let tagged = match host.rsplit_once(':') {
        Some((name, tag)) if !name.contains('.') && name != "localhost" => {
            format!("; if `{tag}` is a tag, write `{name} --tag {tag}`")
        }
        _ => String::new(),
    };
    CliError::Input(format!(
        "`{text}`: it names a registry but no repository; write `{}/REPOSITORY`{tagged}",
        text.trim_end_matches('/')
    ))
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
            ("docker://r.example/a", "r.example", "a"),
            ("docker://nginx", "docker.io", "nginx"),
            ("nginx", "docker.io", "nginx"),
            ("library/nginx", "docker.io", "library/nginx"),
        ] {
            assert_eq!(split(text).unwrap(), (registry, path), "{text}");
        }
    }

    #[test]
    fn a_registry_alone_is_told_what_is_missing() {
        for (text, words) in [
            ("127.0.0.1:5000", "write `127.0.0.1:5000/REPOSITORY`"),
            ("quay.io/", "write `quay.io/REPOSITORY`"),
            ("localhost", "write `localhost/REPOSITORY`"),
            ("http://host", "write `http://host/REPOSITORY`"),
            ("docker://quay.io", "write `quay.io/REPOSITORY`"),
            ("nginx:1.27", "if `1.27` is a tag, write `nginx --tag 1.27`"),
        ] {
            let error = split(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
