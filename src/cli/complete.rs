//! Shell completion: the scripts, and the server's labels.

use std::ffi::OsStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;
use indexmap::IndexSet;
use serde_json::{Map, Value as Json};

use crate::api::{Method, namespaces};
use crate::client::cache::Cache;
use crate::client::{Client, Options, Verb};
use crate::text::readable;

use super::error::CliError;

/// The variable by which a shell requests completions.
pub(super) const VARIABLE: &str = "COMPLETE";
/// Longer waits for the Tab key feel broken.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Words that `registrysync api` accepts besides methods.
const API_WORDS: [&str; 5] = ["get", "post", "login", "logout", "help"];
const URL_VARIABLE: &str = "REGISTRYSYNC_URL";
const URL_DEFAULT: &str = "http://127.0.0.1:8080";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  echo 'source <(registrysync completions bash)' >> ~/.bashrc
  echo 'source <(registrysync completions zsh)' >> ~/.zshrc
  registrysync completions fish > ~/.config/fish/completions/registrysync.fish

Labels of projects and stores are fetched from the server with the saved session.";

/// `registrysync completions`
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

/// The supported shells.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// `registrysync completions SHELL`
pub(super) fn run(arguments: &CompletionsArguments) -> Result<u8, CliError> {
    const NAME: &str = env!("CARGO_PKG_NAME");
    let shell = match arguments.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| CliError::Input(format!("there is no completion for `{shell}`")))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut script)
        .map_err(CliError::input)?;
    super::output::data_text(&String::from_utf8_lossy(&script));
    Ok(0)
}

/// Labels of projects that begin with the typed text.
pub(super) fn project_labels(typed: &OsStr) -> Vec<CompletionCandidate> {
    labels("registrysync.listProjects", typed)
}

/// Labels of image stores that begin with the typed text.
pub(super) fn store_labels(typed: &OsStr) -> Vec<CompletionCandidate> {
    labels("image.store.listImageStores", typed)
}

/// Methods and words of `registrysync api` that begin with the typed text.
pub(super) fn api_words(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let registry = namespaces::registry();
    let methods = registry.catalog().namespaces().flat_map(|namespace| {
        let name = |method: &Method| format!("{}.{}", namespace.name(), method.name());
        namespace.methods().map(name)
    });
    let words = API_WORDS.map(str::to_owned).into_iter().chain(methods);
    // Overloads have the same name.
    let found: IndexSet<String> = words.filter(|word| word.starts_with(&*typed)).collect();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// On any error there is nothing to complete: a shell's command line is no place for errors.
fn labels(method: &'static str, typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy().into_owned();
    // Completions are requested within the runtime of `main`.
    let asked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        runtime.block_on(ask(method))
    });
    let listing = asked.join().ok().flatten().unwrap_or_default();
    listing
        .into_iter()
        // What would control the terminal can't be typed either.
        .filter(|label| label.starts_with(&typed) && readable(label, usize::MAX) == *label)
        .map(CompletionCandidate::new)
        .collect()
}

async fn ask(method: &str) -> Option<Vec<String>> {
    let mut client = Client::new(&options(std::env::args())).ok()?;
    let kept = Cache::of(client.url())?.read()?;
    client.resume(kept.key);
    let listing = client.call(Verb::Get, method, &Map::new()).await.ok()?;
    let labels = listing.as_array()?.iter();
    let labels = labels.filter_map(|entry| entry.get("label").and_then(Json::as_str));
    Some(labels.map(str::to_owned).collect())
}

/// The server in the command line being typed.
fn options(words: impl Iterator<Item = String>) -> Options {
    let words: Vec<String> = words.collect();
    let value = |option: &str| {
        let joined = format!("{option}=");
        words.iter().enumerate().find_map(|(at, word)| {
            if word == option {
                words.get(at + 1).cloned()
            } else {
                word.strip_prefix(&joined).map(str::to_owned)
            }
        })
    };
    let certificate =
        value("--ca-certificate").or_else(|| std::env::var("REGISTRYSYNC_CA_CERTIFICATE").ok());
    Options {
        url: value("--url")
            .or_else(|| std::env::var(URL_VARIABLE).ok())
            .unwrap_or_else(|| URL_DEFAULT.to_owned()),
        ca_certificate: certificate.and_then(|path| std::fs::read_to_string(path).ok()),
        insecure: words.iter().any(|word| word == "--insecure"),
        timeout: Some(TIMEOUT),
    }
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn the_server_is_the_one_on_the_line() {
        for line in [
            "project show --url http://a x",
            "project show --url=http://a x",
        ] {
            let options = options(line.split(' ').map(str::to_owned));
            assert_eq!(options.url, "http://a");
        }
    }
}
