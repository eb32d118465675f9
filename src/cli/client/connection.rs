//! A session with a server: saved by an earlier command, or new.

use console::Term;
use dxr::Value;
use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::api::error::code;
use crate::client::cache::Cache;
use crate::client::{Client, Error, Options, Verb};

use super::args::ConnectionArguments;
use crate::cli::error::CliError;
use crate::cli::file::{file_read, password_read};
use crate::cli::output::talk_line;
use crate::text::readable;

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        match error {
            Error::Options(_) | Error::Call(_) | Error::Verb(_) => Self::Input(error.to_string()),
            Error::Unreachable { .. } | Error::Strange { .. } => {
                Self::Unreachable(error.to_string())
            }
            // The server can't reach its database or similar.
            Error::Fault {
                code: Some(code), ..
            } if code == i64::from(code::UNAVAILABLE) => Self::Unreachable(error.to_string()),
            Error::Fault { .. } | Error::Session => Self::Failed(error.to_string()),
        }
    }
}

/// A client that logs in if necessary.
pub(in crate::cli) struct Session {
    client: Client,
    cache: Option<Cache>,
    arguments: ConnectionArguments,
    /// The login of the saved session.
    user: Option<String>,
    /// Another login is useless.
    fresh: bool,
}

/// A call, on either wire.
enum Call<'a> {
    Named(Verb, &'a Map<String, Json>),
    Positional(bool, &'a [Value]),
}

impl Session {
    /// Uses the saved session, if it belongs to the requested account.
    pub(in crate::cli) fn open(arguments: &ConnectionArguments) -> Result<Self, CliError> {
        let ca_certificate = arguments
            .ca_certificate
            .as_deref()
            .map(|path| file_read("--ca-certificate", path))
            .transpose()?;
        let mut client = Client::new(&Options {
            url: arguments.url.clone(),
            ca_certificate,
            insecure: arguments.insecure,
            timeout: None,
        })?;
        let cache = Cache::of(client.url());
        let kept = cache.as_ref().and_then(Cache::read);
        let wanted = arguments.user.as_ref();
        let kept = kept.filter(|kept| wanted.is_none_or(|user| *user == kept.user));
        let user = kept.as_ref().map(|kept| kept.user.clone());
        if let Some(kept) = kept {
            client.resume(kept.key);
        }
        Ok(Self {
            client,
            cache,
            arguments: arguments.clone(),
            user,
            fresh: false,
        })
    }

    /// Logs in, and saves the session.
    pub(in crate::cli) async fn login(&mut self) -> Result<String, CliError> {
        let asked = self.arguments.user.clone().or_else(|| self.user.clone());
        let user = match asked {
            Some(user) => user,
            None => prompt_text(&format!("Login at {}", self.client.url()), "--user")?,
        };
        let password = match &self.arguments.password_file {
            Some(path) => password_read("--password-file", path)?,
            None => prompt_password(&format!("Password of `{user}`"), "--password-file")?,
        };
        let key = self.client.login(&user, &password).await?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.write(&user, &key)
        {
            talk_line(&format!(
                "warning: the session can't be saved for later commands: {error}"
            ));
        }
        self.user = Some(user.clone());
        self.fresh = true;
        Ok(user)
    }

    /// Ends the saved session, if there is one.
    pub(in crate::cli) async fn logout(&mut self) -> Result<(), CliError> {
        if self.user.is_some() {
            match self.client.logout().await {
                Ok(()) | Err(Error::Session) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(cache) = &self.cache {
            cache.forget();
        }
        Ok(())
    }

    /// Calls a method that only reads.
    pub(in crate::cli) async fn get(
        &mut self,
        method: &str,
        args: Map<String, Json>,
    ) -> Result<Json, CliError> {
        Ok(self.call(Verb::Get, method, &args).await?)
    }

    /// Calls a method that changes something.
    pub(in crate::cli) async fn post(
        &mut self,
        method: &str,
        args: Map<String, Json>,
    ) -> Result<Json, CliError> {
        Ok(self.call(Verb::Post, method, &args).await?)
    }

    /// Calls by name; logs in first if there is no valid session.
    pub(in crate::cli) async fn call(
        &mut self,
        verb: Verb,
        method: &str,
        args: &Map<String, Json>,
    ) -> Result<Json, CallError> {
        self.call_once_or_twice(method, &Call::Named(verb, args))
            .await
    }

    /// Calls by position; `session` says whether the method takes a session key first.
    pub(in crate::cli) async fn call_positional(
        &mut self,
        method: &str,
        session: bool,
        args: &[Value],
    ) -> Result<Json, CallError> {
        self.call_once_or_twice(method, &Call::Positional(session, args))
            .await
    }

    async fn call_once_or_twice(
        &mut self,
        method: &str,
        call: &Call<'_>,
    ) -> Result<Json, CallError> {
        match self.call_once(method, call).await {
            Err(Error::Session) if !self.fresh => {
                self.login().await.map_err(CallError::Login)?;
                Ok(self.call_once(method, call).await?)
            }
            result => Ok(result?),
        }
    }

    async fn call_once(&self, method: &str, call: &Call<'_>) -> Result<Json, Error> {
        match call {
            Call::Named(verb, args) => self.client.call(*verb, method, args).await,
            Call::Positional(session, args) => {
                self.client
                    .call_positional(method, *session, args.to_vec())
                    .await
            }
        }
    }
}

/// Why a call that may require a login has no result.
pub(in crate::cli) enum CallError {
    /// The login failed.
    Login(CliError),
    /// The call itself.
    Call(Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<CallError> for CliError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Login(error) => error,
            CallError::Call(error) => error.into(),
        }
    }
}

/// Prompts on the terminal; without one the option is required.
pub(in crate::cli) fn prompt_password(
    question: &str,
    option: &str,
) -> Result<SecretString, CliError> {
    let term = prompt(question, option)?;
    Ok(term.read_secure_line().map_err(CliError::input)?.into())
}

fn prompt_text(question: &str, option: &str) -> Result<String, CliError> {
    let term = prompt(question, option)?;
    term.read_line().map_err(CliError::input)
}

fn prompt(question: &str, option: &str) -> Result<Term, CliError> {
    use std::io::IsTerminal as _;
    let term = Term::stderr();
    if !term.is_term() || !std::io::stdin().is_terminal() {
        return Err(CliError::Input(format!(
            "no session, and no terminal to prompt on ({question}): give `{option}`"
        )));
    }
    term.write_str(&format!("{}: ", readable(question, usize::MAX)))
        .map_err(CliError::input)?;
    Ok(term)
}
