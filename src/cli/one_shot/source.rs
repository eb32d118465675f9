//! From arguments to what the engine works on: clients and items.

use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::oci::auth::file::logins_find;
use crate::oci::http::options::ListingLimit;
use crate::oci::{Client, ClientOptions, Credentials, RegistryAddress, Repository};
use crate::sync::input::skopeo_yaml::{SkopeoRegistry, SkopeoSource};
use crate::sync::input::spec::{NoRepositories, Unmatched};
use crate::sync::selection::repositories::RepositoriesSpec;
use crate::sync::{Placement, Selector, SelectorSpec, SyncItem};

use super::waiting::WAITS;
use crate::cli::error::CliError;
use crate::cli::file::file_read;
use crate::cli::output::talk_line;
use crate::cli::select::SelectArguments;
use crate::cli::sync_args::CopyArguments;
use crate::cli::trust::TrustArguments;

/// What to copy, and how targets are named.
pub(super) struct Source {
    pub(in crate::cli) items: Vec<SyncItem>,
    /// A pattern that no repository matches.
    pub(in crate::cli) unmatched: Vec<Unmatched>,
    /// The selectors of the items, as they are written down.
    pub(in crate::cli) selectors: Vec<SelectorSpec>,
    pub(in crate::cli) placement: Placement,
    /// The registries, each once.
    pub(in crate::cli) registries: Vec<SourceRegistry>,
}

/// A registry, as far as it isn't secret.
#[derive(Clone, Debug)]
pub(super) struct SourceRegistry {
    pub(super) address: RegistryAddress,
    pub(super) tls_verify: bool,
}

impl Source {
    pub(in crate::cli) async fn read(arguments: &CopyArguments) -> Result<Self, CliError> {
        let named = &arguments.repositories;
        match (&arguments.file, &arguments.from, &named.repository) {
            (Some(file), _, _) => Self::from_file(file, arguments),
            (None, Some(from), Some(repository)) => {
                let repository = Repository::parse(reference(repository));
                let client = client(from, &arguments.trust, arguments.max_names)?;
                let all = vec![repository.map_err(CliError::input)?];
                let selector = flag_selector(&arguments.select)?;
                Ok(Self::from_flags(&client, all, &selector, arguments))
            }
            (None, Some(from), None) if let Some(pattern) = named.pattern() => {
                Self::from_pattern(from, &pattern, arguments).await
            }
            _ => Err(CliError::Input(
                "give a FILE, or `--from` and `--repository`".into(),
            )),
        }
    }

    /// The repositories of the source's catalogue that match.
    async fn from_pattern(
        from: &str,
        spec: &RepositoriesSpec,
        arguments: &CopyArguments,
    ) -> Result<Self, CliError> {
        let pattern = spec.compile().map_err(|error| {
            let text = error.to_string();
            let text = text.replace("`repositories_regex`", "`--repository-regex`");
            let exclude = "`--repository-exclude-regex`";
            CliError::Input(text.replace("`repositories_exclude_regex`", exclude))
        })?;
        let selector = flag_selector(&arguments.select)?;
        let client = client(from, &arguments.trust, arguments.max_names)?;
        let listing = match client.repository_listing().await {
            Err(error) if error.is_no_catalogue() => {
                return Err(CliError::Input(format!(
                    "`--repository-regex`: the registry offers no catalogue (`_catalog`): {error}; \
                     name the repositories in a FILE, or one with `--repository`"
                )));
            }
            listing => listing?,
        };
        if let Some(warning) = listing.dropped.repositories_warning() {
            talk_line(&format!("warning `{}`: {warning}", client.address()));
        }
        let matching = listing.entries.iter().filter(|name| pattern.is_match(name));
        let all: Result<Vec<_>, _> = matching.map(|name| Repository::parse(name)).collect();
        let all = all.map_err(CliError::input)?;
        let source = Self::from_flags(&client, all, &selector, arguments);
        if !source.items.is_empty() {
            return Ok(source);
        }
        Ok(Self {
            unmatched: vec![Unmatched {
                pattern: spec.to_string(),
                source: client.address().to_string(),
                why: NoRepositories::NoMatch(listing.entries.len()),
                on_empty: arguments.on_empty,
            }],
            ..source
        })
    }

    fn from_flags(
        client: &Client,
        repositories: Vec<Repository>,
        selector: &Selector,
        arguments: &CopyArguments,
    ) -> Self {
        let item = |repository| SyncItem {
            source: client.clone().into(),
            repository,
            selector: selector.clone(),
            architectures: arguments.architecture.clone(),
            target_repository: None,
            on_empty: arguments.on_empty,
        };
        let items: Vec<SyncItem> = repositories.into_iter().map(item).collect();
        Self {
            selectors: vec![arguments.select.clone().into(); items.len()],
            items,
            unmatched: Vec::new(),
            placement: arguments.placement.clone().unwrap_or(Placement::Path),
            registries: vec![SourceRegistry {
                address: client.address().clone(),
                tls_verify: true,
            }],
        }
    }

    fn from_file(file: &Path, arguments: &CopyArguments) -> Result<Self, CliError> {
        let (name, text) = file_text(file)?;
        let source = SkopeoSource::parse(&text).map_err(|error| {
            if is_of_regsync(&text) {
                return CliError::Input(format!(
                    "{name}: this is a regsync file; expected a file for \
                     `skopeo sync --src yaml`, see docs/command-line.md"
                ));
            }
            CliError::Input(format!("{name}: {error}"))
        })?;
        let (mut items, mut selectors) = (Vec::new(), Vec::new());
        let mut registries = Vec::new();
        for registry in &source.registries {
            let client = file_client(registry, &arguments.trust, arguments.max_names)?;
            registries.push(SourceRegistry {
                address: client.address().clone(),
                tls_verify: registry.tls_verify.unwrap_or(true),
            });
            for item in &registry.items {
                selectors.push(item.selector.clone());
                items.push(SyncItem {
                    source: client.clone().into(),
                    repository: item.repository.clone(),
                    selector: Selector::compile(&item.selector)
                        .map_err(|e| CliError::Input(format!("{name}: line {}: {e}", item.line)))?,
                    architectures: arguments.architecture.clone(),
                    target_repository: None,
                    on_empty: arguments.on_empty,
                });
            }
        }
        Ok(Self {
            items,
            unmatched: Vec::new(),
            selectors,
            placement: arguments.placement.clone().unwrap_or(Placement::Flat),
            registries,
        })
    }
}

/// The content of a file, and its name in messages.
fn file_text(file: &Path) -> Result<(String, String), CliError> {
    let (name, text) = if file == Path::new("-") {
        let text = std::io::read_to_string(std::io::stdin());
        ("standard input".to_owned(), text)
    } else {
        let text = std::fs::read_to_string(file);
        (format!("`{}`", file.display()), text)
    };
    match text {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(CliError::Input(format!("{name}: {error}"))),
    }
}

/// Top-level keys of regsync files; no registry has such a name.
fn is_of_regsync(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("sync:") && (has("version:") || has("creds:") || has("defaults:"))
}

/// A reference as typed, without skopeo's transport prefix.
pub(in crate::cli) fn reference(text: &str) -> &str {
    text.strip_prefix("docker://").unwrap_or(text)
}

/// The selectors of the command line; errors name the flag.
pub(super) fn flag_selector(arguments: &SelectArguments) -> Result<Selector, CliError> {
    Selector::compile_new(&arguments.clone().into()).map_err(|error| {
        let flags = [
            ("`tags`", "`--tag`"),
            ("`tags_regex`", "`--tag-regex`"),
            ("`tags_exclude_regex`", "`--tag-exclude-regex`"),
            ("`semver`", "`--semver`"),
            ("`newest`", "`--newest`"),
            ("`newer_than_days`", "`--newer-than-days`"),
        ];
        let text = flags.iter().fold(error.to_string(), |text, (key, flag)| {
            text.replace(key, flag)
        });
        CliError::Input(text)
    })
}

/// A client for an address as typed; credentials come from the auth files.
pub(in crate::cli) fn client(
    text: &str,
    trust: &TrustArguments,
    max_names: Option<usize>,
) -> Result<Client, CliError> {
    let mut options = options(reference(text), trust.plain_http, trust, max_names)?;
    logins_add(&mut options)?;
    Client::new(options).map_err(CliError::input)
}

/// A client for a registry of a plan.
pub(super) fn planned_client(
    address: &str,
    tls_verify: bool,
    trust: &TrustArguments,
) -> Result<Client, CliError> {
    let mut options = options(address, trust.plain_http, trust, None)?;
    options.tls_verify = tls_verify;
    logins_add(&mut options)?;
    Client::new(options).map_err(CliError::input)
}

fn options(
    text: &str,
    plain_http: bool,
    trust: &TrustArguments,
    max_names: Option<usize>,
) -> Result<ClientOptions, CliError> {
    let mut options = ClientOptions::new(address(text, plain_http)?);
    let certificate = trust.ca_certificate.as_deref();
    options.ca_certificate = certificate
        .map(|path| file_read("--ca-certificate", path))
        .transpose()?;
    options.waits = Some(Arc::clone(&WAITS));
    if let Some(names) = max_names {
        options.listing = ListingLimit { names };
    }
    Ok(options)
}

/// The logins of the auth files.
fn logins_add(options: &mut ClientOptions) -> Result<(), CliError> {
    let logins = logins_find(&options.address).map_err(CliError::input)?;
    options.credentials = logins.all;
    options.path_credentials = logins.by_path;
    Ok(())
}

/// `https://` in front overrides `--plain-http`, and so does Docker Hub.
fn address(text: &str, plain_http: bool) -> Result<RegistryAddress, CliError> {
    let address = RegistryAddress::parse(text).map_err(CliError::input)?;
    let keeps_tls = text.starts_with("https://") || address.host() == "docker.io";
    Ok(address.with_plain_http(plain_http && !keeps_tls))
}

fn file_client(
    registry: &SkopeoRegistry,
    trust: &TrustArguments,
    max_names: Option<usize>,
) -> Result<Client, CliError> {
    let plain_http = trust.plain_http && registry.tls_verify != Some(true);
    let mut options = options(&registry.host, plain_http, trust, max_names)?;
    options.tls_verify = registry.tls_verify.unwrap_or(true);
    match &registry.credentials {
        Some((username, password)) => {
            options.credentials = Credentials::from_parts(username, password.expose_secret());
        }
        None => logins_add(&mut options)?,
    }
    Client::new(options).map_err(CliError::input)
}
