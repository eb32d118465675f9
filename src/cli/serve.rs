//! `registrysync serve`: API, queue and worker in one process.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use crate::api::{Dispatcher, namespaces};
use crate::config::{Config, Settings, TlsSource};
use crate::notify::Notifier;
use crate::service::App;
use crate::service::account::{LoginPolicy, Logins, bootstrap};
use crate::store::{Db, Error as StoreError, SealKey};
use crate::surface::{self, Certificate, Door, listen, router, serve};
use crate::taskomatic::{
    Housekeeper, LeaseRules, Limits, Notifications, Scheduler, Worker, WorkerOptions,
};
use crate::time_zone::server_zone_set;

use super::args::ServeArguments;
use super::{CliError, interrupted};

/// The key of the sealed credentials, beside the database.
const KEY_FILE: &str = "secret.key";
/// The first password of `admin`, where none was given.
const PASSWORD_FILE: &str = "admin-password";
/// Locked as long as a process uses the data directory.
const LOCK_FILE: &str = "lock";
/// What tells this installation's worker from others.
const WORKER_FILE: &str = "worker-id";
/// How long requests under way may take when the server is to end; service managers send SIGKILL
/// after 90 s.
const GRACE: Duration = Duration::from_secs(30);

pub(super) async fn run(arguments: ServeArguments) -> Result<u8, CliError> {
    let config = settings(&arguments)?.read().map_err(CliError::input)?;
    server_zone_set(config.time_zone);
    data_dir_make(&config.data_dir)?;
    let _lock = data_dir_lock(&config.data_dir)?;
    let db = db_open(&config).await?;
    let logins = tokio::task::spawn_blocking(|| Logins::new(LoginPolicy::default()))
        .await
        .map_err(CliError::input)?
        .map_err(CliError::input)?;
    let notifier = Notifier::new(&config.receivers).map_err(CliError::input)?;
    let app = App::new(db.clone(), logins)
        .with_schedule_rules(config.schedule_rules)
        .with_notifier(notifier);
    let app = Arc::new(app);
    admin_make(&app, &config).await?;

    let listener = listen(config.listen)
        .await
        .map_err(|e| CliError::Input(format!("`listen`: `{}`: {e}", config.listen)))?;
    let address = listener.local_addr().map_err(CliError::input)?;
    let door = door(&config)?;
    let options = WorkerOptions {
        name: worker_name(&config.data_dir)?,
        slots: config.worker_slots,
        leases: LeaseRules {
            lost_after: config.lease,
            attempts: config.attempts,
        },
        limits: Limits {
            per_host: config.host_parts,
            per_org: config.org_parts,
        },
        grace: config.grace,
    };
    let stop = CancellationToken::new();
    let (queue, cancel) = (Arc::clone(&app.queue_wake), Arc::clone(&app.cancel_wake));
    let scheduler = Scheduler::new(db.clone(), config.schedule_rules, Arc::clone(&queue));
    let scheduler = tokio::spawn(scheduler.run(stop.clone()));
    let keeper = Housekeeper::new(db.clone(), options.name.clone(), config.history);
    let keeper = tokio::spawn(keeper.run(stop.clone()));
    let notifications = Notifications::new(db.clone(), Arc::clone(&app.notifier));
    let notifications = tokio::spawn(notifications.run(stop.clone()));
    let worker = Worker::new(db, options, queue, cancel);
    let worker = tokio::spawn(worker.run(stop.clone()));
    let routes = router(
        Dispatcher::new(namespaces::registry(), app),
        surface::Limits::default(),
        stop.clone(),
    );

    let scheme = if door.certificate.is_some() {
        "https"
    } else {
        "http"
    };
    super::output::data_line(&format!("registrysync listening on {scheme}://{address}"));
    let ended = stop.clone().cancelled_owned();
    let mut served = tokio::spawn(serve(listener, routes, door, ended));
    tokio::select! {
        () = interrupted() => tracing::info!("stopping: tags under way are finished, the rest is left for later"),
        ended = &mut served => return Err(CliError::Failed(format!("the server ended: {ended:?}"))),
    }
    stop.cancel();
    for part in [scheduler, keeper, notifications, worker] {
        part.await.map_err(|e| CliError::Failed(e.to_string()))?;
    }
    if tokio::time::timeout(GRACE, served).await.is_err() {
        tracing::warn!(
            "requests still open after {} s are dropped",
            GRACE.as_secs()
        );
    }
    Ok(0)
}

fn door(config: &Config) -> Result<Door, CliError> {
    let certificate = match &config.tls {
        None => None,
        Some(TlsSource::Files { certificate, key }) => {
            Some(Certificate::from_files(certificate, key).map_err(CliError::input)?)
        }
        Some(TlsSource::SelfSigned) => {
            let url = config.public_url.as_deref().map(url::Url::parse);
            let host = url.and_then(|url| Some(url.ok()?.host_str()?.to_owned()));
            let names = host.as_slice();
            let made = Certificate::self_signed(&config.data_dir, config.listen, names)
                .map_err(CliError::input)?;
            tracing::warn!(
                "the certificate is self-signed: give clients {} to trust",
                made.path().display()
            );
            Some(made)
        }
    };
    Ok(Door {
        certificate,
        public_url: config.public_url.clone(),
        ..Door::default()
    })
}

/// The configuration that the arguments, the environment and the file give.
pub(super) fn settings(arguments: &ServeArguments) -> Result<Settings, CliError> {
    let flags: BTreeMap<&'static str, String> = [
        ("listen", arguments.listen.clone()),
        ("data_dir", arguments.data_dir.clone()),
        ("database", arguments.database.clone()),
        ("admin_password_file", arguments.admin_password_file.clone()),
        ("worker_slots", arguments.worker_slots.clone()),
        ("time_zone", arguments.time_zone.clone()),
        ("tls_cert", arguments.tls_cert.clone()),
        ("tls_key", arguments.tls_key.clone()),
        (
            "tls_self_signed",
            arguments.tls_self_signed.then(|| "true".to_owned()),
        ),
        ("public_url", arguments.public_url.clone()),
        ("webhook_url", arguments.webhook_url.clone()),
        ("smtp_url", arguments.smtp_url.clone()),
        ("mail_from", arguments.mail_from.clone()),
        ("mail_to", arguments.mail_to.clone()),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Settings::collect(&flags, variable, arguments.config.as_deref()).map_err(CliError::input)
}

/// Makes the directory for the owner alone: it holds keys and passwords.
fn data_dir_make(directory: &Path) -> Result<(), CliError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|e| CliError::Input(format!("`data_dir`: `{}`: {e}", directory.display())))
}

/// Keeps a second server away: it would have the same worker's name, and take the first one's runs
/// for leftovers. The lock ends with the process, however that ends.
fn data_dir_lock(directory: &Path) -> Result<fs::File, CliError> {
    let path = directory.join(LOCK_FILE);
    let fail = |e: std::io::Error| {
        CliError::Input(format!(
            "`data_dir`: `{}` can't be locked: {e}",
            path.display()
        ))
    };
    let mut options = fs::OpenOptions::new();
    let file = options
        .create(true)
        .append(true)
        .open(&path)
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(CliError::Input(format!(
            "`data_dir`: `{}` is in use by another registrysync; stop that one, or give this one a \
             directory of its own",
            directory.display()
        ))),
        Err(fs::TryLockError::Error(e)) => Err(fail(e)),
    }
}

async fn db_open(config: &Config) -> Result<Db, CliError> {
    let (url, key_file) = (config.database.clone(), config.data_dir.join(KEY_FILE));
    let opened = tokio::task::spawn_blocking(move || -> Result<Db, CliError> {
        let key = SealKey::from_file(&key_file).map_err(CliError::input)?;
        Db::open(&url, key).map_err(|error| match error {
            StoreError::Connect { .. } | StoreError::Busy(_) => {
                CliError::Unreachable(error.to_string())
            }
            other => CliError::input(other),
        })
    });
    opened.await.map_err(CliError::input)?
}

/// Makes `admin` on the first start. A password that was made up is shown once, and kept in a file
/// that only the owner can read.
async fn admin_make(app: &App, config: &Config) -> Result<(), CliError> {
    let given = match &config.admin_password_file {
        Some(path) if path.exists() => Some(password_read(path)?),
        _ => None,
    };
    let Some(password) = bootstrap(app, given).await.map_err(CliError::input)? else {
        return Ok(());
    };
    let path = config.data_dir.join(PASSWORD_FILE);
    let written = private_write(&path, password.expose_secret());
    let kept = match &written {
        Ok(()) => format!(
            "kept in {}; delete the file when you have changed it",
            path.display()
        ),
        // The account is there already, so this is the only time to see it.
        Err(_) => "kept nowhere: write it down".to_owned(),
    };
    super::output::talk_line(&format!(
        "first start: the account `admin` has the password {}\n({kept})",
        password.expose_secret(),
    ));
    written
}

fn password_read(path: &Path) -> Result<SecretString, CliError> {
    let fail = |detail: &dyn std::fmt::Display| {
        CliError::Input(format!(
            "`admin_password_file`: `{}`: {detail}",
            path.display()
        ))
    };
    let text = fs::read_to_string(path).map_err(|e| fail(&e))?;
    match text
        .lines()
        .next()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        Some(line) => Ok(line.to_owned().into()),
        None => Err(fail(&"its first line is empty")),
    }
}

fn private_write(path: &Path, text: &str) -> Result<(), CliError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .map_err(|e| CliError::Input(format!("`{}`: {e}", path.display())))
}

/// The worker's name, the same after a restart: what it left behind is told by it.
fn worker_name(directory: &Path) -> Result<String, CliError> {
    let path = directory.join(WORKER_FILE);
    if let Ok(name) = fs::read_to_string(&path)
        && !name.trim().is_empty()
    {
        return Ok(name.trim().to_owned());
    }
    let mut random = [0u8; 4];
    getrandom::fill(&mut random).map_err(CliError::input)?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() {
        "worker"
    } else {
        host.trim()
    };
    let name = format!("{host}-{}", hex::encode(random));
    private_write(&path, &name)?;
    Ok(name)
}
