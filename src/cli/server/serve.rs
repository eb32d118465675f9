//! `registrysync serve`: the API, and all background tasks.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use crate::api::{Dispatcher, namespaces};
use crate::config::{Config, Settings, TlsSource};
use crate::node::{Node, password_of_key, private_write, until_end};
use crate::service::App;
use crate::service::access::account::{LoginPolicy, Logins, bootstrap};
use crate::store::Db;
use crate::store::access::account::account_count;
use crate::surface::connections::descriptors::connections_max;
use crate::surface::{self, Certificate, ServeOptions, listen, routes, serve};

use crate::cli::args::ServeArguments;
use crate::cli::error::CliError;
use crate::cli::interrupts::Interrupts;
use crate::cli::logs;
use crate::cli::output::{data_line, talk_line};

/// The file with the generated initial password of `admin`.
const PASSWORD_FILE: &str = "admin-password";
/// Minimum time for requests in progress when the server is stopped.
const REQUEST_GRACE: Duration = Duration::from_secs(1);

pub(in crate::cli) async fn run(arguments: ServeArguments) -> Result<u8, CliError> {
    let config = settings(&arguments)?.read().map_err(CliError::input)?;
    logs::start(config.log);
    worker_check(&config)?;
    // Before anything is created.
    let listener = listen(config.listen)
        .await
        .map_err(|e| CliError::Input(format!("`listen`: `{}`: {e}", config.listen)))?;
    let address = listener.local_addr().map_err(CliError::input)?;
    let certificate = certificate_of_files(&config)?;

    let node = Node::open(config).await?;
    let config = &node.config;
    let certificate = match certificate {
        None => self_signed(config)?,
        read => read,
    };
    let options = options(config, certificate);
    let app = Arc::new(app(&node).await?);
    admin_make(&app, config).await?;
    open_warn(address, &options);
    let interrupts = Interrupts::listen()?;
    let mut tasks = node.start(config.runs_worker).await?;
    let routes = routes(
        Dispatcher::new(namespaces::registry(), app),
        surface::RequestLimits {
            body_bytes: config.request_mib << 20,
            unauthenticated_total_bytes: config.strangers_mib << 20,
            ..surface::RequestLimits::default()
        },
        tasks.stop().clone(),
    );

    let scheme = if options.certificate.is_some() {
        "https"
    } else {
        "http"
    };
    data_line(&format!("registrysync listening on {scheme}://{address}"));
    let ended = tasks.stop().clone().cancelled_owned();
    let mut served = tokio::spawn(serve(listener, routes, options, ended));
    let failed = tokio::select! {
        failed = until_end(interrupts.first(), &mut tasks) => failed,
        ended = &mut served => return Err(CliError::Failed(format!("the server ended: {ended:?}"))),
    };
    let deadline = tokio::time::Instant::now() + config.grace.max(REQUEST_GRACE);
    node.end(tasks, failed).await?;
    if tokio::time::timeout_at(deadline, served).await.is_err() {
        tracing::warn!("requests still in progress are aborted");
    }
    Ok(0)
}

/// Refuses a server whose runs would wait forever.
fn worker_check(config: &Config) -> Result<(), CliError> {
    if config.runs_worker || config.sqlite_file().is_none() {
        return Ok(());
    }
    Err(CliError::Input(format!(
        "`no_worker`: on SQLite (`{}`) no other process could execute runs; omit it, or share a \
         PostgreSQL database with workers",
        config.database
    )))
}

async fn app(node: &Node) -> Result<App, CliError> {
    let app = app_on(node.db.clone()).await?;
    Ok(App {
        queue_wake: Arc::clone(&node.queue_wake),
        cancel_wake: Arc::clone(&node.cancel_wake),
        notifier: Arc::clone(&node.notifier),
        ..app.with_schedule_rules(node.config.schedule_rules)
    })
}

/// The use cases on a database, and nothing else.
pub(super) async fn app_on(db: Db) -> Result<App, CliError> {
    let logins = tokio::task::spawn_blocking(|| Logins::new(LoginPolicy::default()))
        .await
        .map_err(CliError::input)?
        .map_err(CliError::input)?;
    Ok(App::new(db, logins))
}

/// The certificate of the configured files.
fn certificate_of_files(config: &Config) -> Result<Option<Arc<Certificate>>, CliError> {
    let Some(TlsSource::Files { certificate, key }) = &config.tls else {
        return Ok(None);
    };
    let read = Certificate::from_files(certificate, key).map_err(|error| {
        let is_key = error.is_about(key);
        let name = if is_key { "tls_key" } else { "tls_cert" };
        CliError::Input(format!("`{name}`: {error}"))
    });
    read.map(Some)
}

/// A self-signed certificate in the data directory, if configured.
fn self_signed(config: &Config) -> Result<Option<Arc<Certificate>>, CliError> {
    if !matches!(config.tls, Some(TlsSource::SelfSigned)) {
        return Ok(None);
    }
    let url = config.public_url.as_deref().map(url::Url::parse);
    let host = url.and_then(|url| Some(url.ok()?.host_str()?.to_owned()));
    let names = host.as_slice();
    let made = Certificate::self_signed(&config.data_dir, config.listen, names)
        .map_err(CliError::input)?;
    tracing::warn!(
        "the certificate is self-signed: make clients trust {}",
        made.path().display()
    );
    Ok(Some(made))
}

fn options(config: &Config, certificate: Option<Arc<Certificate>>) -> ServeOptions {
    ServeOptions {
        certificate,
        public_url: config.public_url.clone(),
        connections: config.connections.min(connections_max()),
        unauthenticated_total_bytes: config.strangers_mib << 20,
        ..ServeOptions::default()
    }
}

/// The configuration from the arguments, the environment and the file.
pub(in crate::cli) fn settings(arguments: &ServeArguments) -> Result<Settings, CliError> {
    let switch = |on: bool| on.then(|| "true".to_owned());
    let further = [
        ("listen", arguments.listen.clone()),
        ("admin_password_file", arguments.admin_password_file.clone()),
        ("no_worker", switch(arguments.no_worker)),
        ("tls_cert", arguments.tls_cert.clone()),
        ("tls_key", arguments.tls_key.clone()),
        ("tls_self_signed", switch(arguments.tls_self_signed)),
        ("public_url", arguments.public_url.clone()),
    ];
    super::settings::settings(&arguments.node, further)
}

/// Creates `admin` on the first start. A generated password is saved in a file that only the owner
/// can read, and shown once if there is a terminal.
async fn admin_make(app: &App, config: &Config) -> Result<(), CliError> {
    let is_first = app.db.run(account_count).await.map_err(CliError::input)? == 0;
    let given = match &config.admin_password_file {
        Some(path) if is_first => Some(password_of_key("admin_password_file", path)?),
        _ => None,
    };
    let Some(password) = bootstrap(app, given).await.map_err(CliError::input)? else {
        return Ok(());
    };
    let path = config.data_dir.join(PASSWORD_FILE);
    let written = private_write(&path, password.expose_secret());
    let shown = match &written {
        // Elsewhere it would stay in a journal, or in a container's log.
        Ok(()) if !std::io::stderr().is_terminal() => None,
        // Without a file this is the only time to see it: the account exists already.
        _ => Some(password.expose_secret()),
    };
    talk_line(&match shown {
        Some(password) => format!("first start: the account `admin` has the password {password}"),
        None => "first start: a random password was generated for the account `admin`".to_owned(),
    });
    talk_line(&match &written {
        Ok(()) => format!(
            "it is saved in {}, which only its owner can read; delete the file once you have changed the password",
            path.display()
        ),
        Err(_) => "it isn't saved anywhere: write it down".to_owned(),
    });
    Ok(written?)
}

/// Warns if passwords would cross a network unencrypted.
fn open_warn(address: SocketAddr, options: &ServeOptions) {
    let by_proxy = (options.public_url.as_ref()).is_some_and(|url| url.starts_with("https://"));
    if options.certificate.is_none() && !by_proxy && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            "`listen`: `{address}` is reachable from other machines without TLS: passwords can be \
             intercepted; give `--tls-cert` and `--tls-key`, or listen on 127.0.0.1 behind a proxy \
             and set `--public-url https://…`"
        );
    }
}
