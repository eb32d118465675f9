//! The command line's arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::client::args::{ApiArguments, ProjectArguments, StoreArguments, WorkersArguments};
use super::complete::CompletionsArguments;
use super::select::SelectArguments;
use super::sync_args::{PlanArguments, SyncArguments};
use super::trust::TrustArguments;
use super::values::{fire_count, name_count};

/// Copies selected container images from one registry to another.
#[derive(Debug, Parser)]
#[command(name = "registrysync", version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy once, without a server
    Sync(Box<SyncArguments>),
    /// Show what `sync` would do and what it would cost; write nothing at the target
    Plan(Box<PlanArguments>),
    /// List the tags of a repository, and why each is selected or not
    ListTags(ListTagsArguments),
    /// Run the server: API, queue and worker in one process
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArguments),
    /// Run a worker beside servers that share a PostgreSQL database
    #[command(after_help = WORKER_EXAMPLES)]
    Worker(NodeArguments),
    /// Administer a server's accounts, on its own machine
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Show the server's configuration, and where each value comes from
    Config(ConfigArguments),
    /// Explain a Quartz cron line and show when it fires next
    Cron(CronArguments),
    /// Write the API reference into a directory
    #[command(after_help = "Examples:\n  registrysync api-docs api-docs")]
    ApiDocs {
        /// The directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Call a method of a server
    Api(Box<ApiArguments>),
    /// Manage sync projects on a server: list, show, create, plan, run, log, evidence, schedule
    Project(Box<ProjectArguments>),
    /// Manage image stores on a server: list, add, test
    Store(Box<StoreArguments>),
    /// List a server's workers: what they work on, and their last heartbeat
    Workers(Box<WorkersArguments>),
    /// Print a shell completion script
    Completions(CompletionsArguments),
}

const LIST_TAGS_EXAMPLES: &str = "\
Examples:
  registrysync list-tags docker.io/library/nginx --semver '~1.27'
  registrysync list-tags docker.io/library/nginx --semver '*' --newest 3
  registrysync list-tags registry.example.com/team/app \\
      --tag-regex '^v[0-9]' --why
  registrysync list-tags http://localhost:5000/app --json";

/// `registrysync list-tags`
#[derive(Args, Debug)]
#[command(
    after_help = LIST_TAGS_EXAMPLES,
    mut_arg("plain_http", |arg| {
        arg.help("Use plain http, unless REPOSITORY begins with `https://` or is on Docker Hub")
    }),
    mut_arg("ca_certificate", |arg| arg.help("Also trust the certificates in this PEM file")),
)]
pub struct ListTagsArguments {
    /// Repository including its registry: `registry.example.com/team/app`
    #[arg(value_name = "REPOSITORY")]
    pub repository: String,
    /// Which tags
    #[command(flatten)]
    pub select: SelectArguments,
    /// List every tag with the reason why it is selected or not
    #[arg(long)]
    pub why: bool,
    /// How to connect to the registry
    #[command(flatten)]
    pub trust: TrustArguments,
    /// Maximum number of tags to read from a listing [default: 200000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = name_count)]
    pub max_names: Option<usize>,
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
}

const CRON_EXAMPLES: &str = "\
Examples:
  registrysync cron '0 0 3 ? * MON-FRI'
  registrysync cron '0 30 2 L * ?' --time-zone Europe/Berlin \\
      --from 2027-01-01T00:00:00 --count 12
  registrysync cron '0 */15 * * * ?' --json

Fields: second minute hour day-of-month month day-of-week [year]; exactly one of the day fields is `?`.
An invalid line exits with code 2 and the reason.";

/// `registrysync cron`
#[derive(Args, Debug)]
#[command(after_help = CRON_EXAMPLES)]
pub struct CronArguments {
    /// The cron line, in quotes
    #[arg(value_name = "EXPR")]
    pub expression: String,
    /// Time zone, such as `Europe/Berlin` [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Show fire times after this time: `2027-01-31T03:00:00Z`, or without `Z` in the time zone [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Number of fire times to show, 1 to 1000
    #[arg(long, value_name = "N", default_value = "5", allow_negative_numbers = true, value_parser = fire_count)]
    pub count: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  registrysync serve
  registrysync serve --listen 0.0.0.0:8080 --data-dir /var/lib/registrysync
  registrysync serve \\
      --database postgres://registrysync@db.example.com/registrysync
  registrysync serve --no-worker \\
      --database postgres://registrysync@db.example.com/registrysync
  registrysync serve --listen 0.0.0.0:8443 \\
      --tls-cert sync.pem --tls-key sync.key

Each flag can also be set as a variable (REGISTRYSYNC_DATA_DIR) or in the TOML file (data_dir).";

/// `registrysync serve`, and the configuration for `registrysync config`
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// What a worker has as well
    #[command(flatten)]
    pub node: NodeArguments,
    /// Address and port to listen on; port 0 picks a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// File with the initial password of `admin` in its first line; otherwise one is generated
    #[arg(long, value_name = "FILE")]
    pub admin_password_file: Option<String>,
    /// Execute no runs; leave them to `registrysync worker` processes (needs PostgreSQL)
    #[arg(long)]
    pub no_worker: bool,
    /// PEM file with the server's certificate, then its chain; serves https only; reloaded when it changes
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Serve https with a self-signed certificate kept in the data directory, for testing
    #[arg(long)]
    pub tls_self_signed: bool,
    /// URL under which users reach the server if it is behind a proxy
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
}

const CONFIG_EXAMPLES: &str = "\
Examples:
  registrysync config
  registrysync config --config /etc/registrysync.toml --all";

/// `registrysync config`
#[derive(Args, Debug)]
#[command(after_help = CONFIG_EXAMPLES)]
pub struct ConfigArguments {
    /// Show every key, set or not, with its meaning and default
    #[arg(long)]
    pub all: bool,
    /// What `serve` takes
    #[command(flatten)]
    pub server: ServeArguments,
}

const RESET_EXAMPLES: &str = "\
Examples:
  registrysync admin reset-password admin --data-dir /var/lib/registrysync
  registrysync admin reset-password ann --password-file new-password \\
      --config /etc/registrysync.toml

On SQLite, stop the server first. The account's sessions end. A disabled account stays disabled.";

/// `registrysync admin`
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Set an account's password; a generated one is printed
    #[command(after_help = RESET_EXAMPLES)]
    ResetPassword(ResetArguments),
}

/// `registrysync admin reset-password`
#[derive(Args, Debug)]
pub struct ResetArguments {
    /// The account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// File with the new password in its first line; otherwise one is generated
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Which server
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// A server's database and its key
#[derive(Args, Debug)]
pub struct DatabaseArguments {
    /// TOML file that may set any key
    #[arg(long, value_name = "FILE", env = "REGISTRYSYNC_CONFIG")]
    pub config: Option<PathBuf>,
    /// `sqlite:PATH` or `postgres://…` [default: `registrysync.db` in the data directory]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// File with the PostgreSQL password in its first line
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<String>,
    /// Directory of the database, the key file and the initial password [default: ./registrysync-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Key that encrypts stored credentials [default: `secret.key` in the data directory]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
}

const WORKER_EXAMPLES: &str = "\
Examples:
  registrysync worker --key-file secret.key \\
      --database postgres://registrysync@db.example.com/registrysync
  registrysync worker --config /etc/registrysync.toml --worker-slots 8

Use the key file of the servers that share this database: `secret.key` in their data directory.
Each flag can also be set as a variable (REGISTRYSYNC_KEY_FILE) or in the TOML file (key_file).";

/// `registrysync worker`, and the flags that `registrysync serve` shares
#[derive(Args, Debug)]
pub struct NodeArguments {
    /// Which database
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Number of run parts to work on at once [default: 2]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub worker_slots: Option<String>,
    /// Time zone of schedules, and of XML-RPC dates without a zone [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Lowest level that is logged: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Log format: text, json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// URL that gets a JSON message when a project starts failing and when it recovers
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Mail server for such messages; if it contains a password, use a variable or the file instead
    #[arg(long, value_name = "URL")]
    pub smtp_url: Option<String>,
    /// Sender address of these mails
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Recipients of these mails, comma-separated
    #[arg(long, value_name = "ADDRESSES")]
    pub mail_to: Option<String>,
}
