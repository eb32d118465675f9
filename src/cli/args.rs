//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::oci::PlatformChoice;
use crate::sync::{OnEmpty, Placement};

use super::client::args::{ApiArguments, ProjectArguments, StoreArguments, WorkersArguments};
use super::complete::CompletionsArguments;
use super::select::SelectArguments;

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
    /// List the tags of a repository, and say why each is selected or not
    ListTags(ListTagsArguments),
    /// Run the server: API, queue and worker in one process
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArguments),
    /// Run a worker beside servers that share a PostgreSQL database
    #[command(after_help = WORKER_EXAMPLES)]
    Worker(NodeArguments),
    /// Look after a server's accounts and database, on its machine
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Show the server's configuration, and where each value comes from
    Config(ConfigArguments),
    /// Say a Quartz cron line in words, and when it fires next
    Cron(CronArguments),
    /// Write the API's reference pages into a directory
    #[command(after_help = "Examples:\n  registrysync api-docs api-docs")]
    ApiDocs {
        /// The directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Call a method of a server
    Api(Box<ApiArguments>),
    /// Sync projects at a server: list, show, create, run, log
    Project(Box<ProjectArguments>),
    /// Image stores at a server: list, add, test
    Store(Box<StoreArguments>),
    /// List a server's workers: what they hold, and their last sign of life
    Workers(Box<WorkersArguments>),
    /// Print the completion script of a shell
    Completions(CompletionsArguments),
}

const SYNC_EXAMPLES: &str = "\
Examples:
  registrysync sync mirror.yml --to registry.example.com/mirror
  registrysync sync mirror.yml --to localhost:5000 --plain-http --dry-run
  registrysync sync --from docker.io --to registry.example.com \\
      --repository nginx --semver '>=1.26'
  registrysync sync --from quay.io --to http://localhost:5000 \\
      --repository prometheus/prometheus --tag v3.0.0 --tag-regex '^v3\\.' \\
      --architecture amd64 --architecture arm64
  registrysync sync - --to registry.example.com --ca-certificate ca.pem

Credentials come from the file, or from REGISTRY_AUTH_FILE, the containers auth.json, or Docker's config.json.
Exit codes: 0 fine, 1 something failed or is blocked, or nothing at all is selected, 2 bad input, 3 a registry can't be reached, 130 interrupted.";

/// `registrysync sync`
#[derive(Args, Debug)]
#[command(after_help = SYNC_EXAMPLES)]
pub struct SyncArguments {
    /// A `skopeo sync` YAML file: what to copy, from which registries; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "from", conflicts_with_all = ["from", "repository", "selectors"])]
    pub file: Option<PathBuf>,
    /// The source registry: `host[:port][/prefix]`
    #[arg(long, value_name = "HOST[/PREFIX]", requires = "repository")]
    pub from: Option<String>,
    /// The target registry: `host[:port][/prefix]`
    #[arg(long, value_name = "HOST[/PREFIX]")]
    pub to: String,
    /// The source repository, without host
    #[arg(long, value_name = "R", requires = "from")]
    pub repository: Option<String>,
    /// Which tags
    #[command(flatten)]
    pub select: SelectArguments,
    /// How a target repository is named: the same path, its last part, or below the source's host
    /// [default: flat for FILE, as skopeo does, else path]
    #[arg(long, value_name = "path|flat|scoped")]
    pub placement: Option<Placement>,
    /// How registries are trusted
    #[command(flatten)]
    pub trust: TrustArguments,
    /// Copy this platform only (`arm64`, `linux/arm/v7`; `aarch64`, `x86_64` are understood); may be
    /// given several times
    #[arg(long, value_name = "A", value_parser = PlatformChoice::parse)]
    pub architecture: Vec<PlatformChoice>,
    /// What becomes of a repository of which nothing is selected: a warning, a failure, or nothing
    #[arg(long, value_name = "warn|fail|ignore", default_value_t)]
    pub on_empty: OnEmpty,
    /// Take up to N names of a listing of tags instead of 200000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_names: Option<u32>,
    /// Show what would be done, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Nothing but warnings where nothing was to be done, and no bar: for cron
    #[arg(long)]
    pub quiet: bool,
    /// One JSON object a line: one for each tag, the totals last
    #[arg(long)]
    pub json: bool,
}

/// How registries are spoken to, the same for every one-shot command.
#[derive(Args, Clone, Debug, Default)]
pub struct TrustArguments {
    /// Speak plain http, but not with a registry written with `https://`, one whose entry in FILE
    /// says `tls-verify: true`, and Docker Hub
    #[arg(long)]
    pub plain_http: bool,
    /// Trust the certificates in this file (PEM) as well, at both ends
    #[arg(long, value_name = "FILE")]
    pub ca_certificate: Option<PathBuf>,
}

const LIST_TAGS_EXAMPLES: &str = "\
Examples:
  registrysync list-tags docker.io/library/nginx --semver '~1.27'
  registrysync list-tags registry.example.com/team/app \\
      --tag-regex '^v[0-9]' --why
  registrysync list-tags http://localhost:5000/app --json";

/// `registrysync list-tags`
#[derive(Args, Debug)]
#[command(after_help = LIST_TAGS_EXAMPLES)]
pub struct ListTagsArguments {
    /// The repository with its registry: `registry.example.com/team/app`
    #[arg(value_name = "REPOSITORY")]
    pub repository: String,
    /// Which tags
    #[command(flatten)]
    pub select: SelectArguments,
    /// List every tag, and say what put it in or out
    #[arg(long)]
    pub why: bool,
    /// How the registry is trusted
    #[command(flatten)]
    pub trust: TrustArguments,
    /// Take up to N names of a listing of tags instead of 200000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_names: Option<u32>,
    /// One JSON object a line
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
A refused line ends with exit code 2 and the reason.";

/// `registrysync cron`
#[derive(Args, Debug)]
#[command(after_help = CRON_EXAMPLES)]
pub struct CronArguments {
    /// The line, in quotes
    #[arg(value_name = "EXPR")]
    pub expression: String,
    /// The time zone that it goes by, such as `Europe/Berlin` [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Fire times after this one: `2027-01-31T03:00:00Z`, or without `Z` in the zone [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// So many fire times, 1 to 1000
    #[arg(long, value_name = "N", default_value = "5", value_parser = fire_count)]
    pub count: usize,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

fn fire_count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1000).contains(count))
        .ok_or_else(|| "expected 1 to 1000".to_owned())
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

Each flag is also a variable (REGISTRYSYNC_DATA_DIR) and a key of the TOML file (data_dir).";

/// `registrysync serve`, and what `registrysync config` looks at
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// What a worker has as well
    #[command(flatten)]
    pub node: NodeArguments,
    /// Where to accept connections; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Its first line becomes the first password of `admin`; otherwise one is made up
    #[arg(long, value_name = "FILE")]
    pub admin_password_file: Option<String>,
    /// Do no runs: `registrysync worker` on this or other machines does them (needs PostgreSQL)
    #[arg(long)]
    pub no_worker: bool,
    /// The server's certificate, PEM, its chain after it: https only; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// https with a certificate made once in the data directory, for a trial
    #[arg(long)]
    pub tls_self_signed: bool,
    /// Address that users call the server by, where a proxy stands before it
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
    /// Every key, also those that nobody has set, with its meaning and default
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

On SQLite, stop the server first. The account's sessions end. It stays disabled if it was.";

/// `registrysync admin`
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Give an account a new password, and print it if it was made up
    #[command(after_help = RESET_EXAMPLES)]
    ResetPassword(ResetArguments),
}

/// `registrysync admin reset-password`
#[derive(Args, Debug)]
pub struct ResetArguments {
    /// The account
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// Its first line becomes the password; otherwise one is made up
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Which server
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Where a server's database is, and what opens it
#[derive(Args, Debug)]
pub struct DatabaseArguments {
    /// A TOML file with any of the keys below
    #[arg(long, value_name = "FILE", env = "REGISTRYSYNC_CONFIG")]
    pub config: Option<PathBuf>,
    /// `sqlite:PATH` or `postgres://…` [default: `registrysync.db` in the data directory]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Its first line is PostgreSQL's password
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<String>,
    /// Where database, keys and the first password are kept [default: ./registrysync-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// The key of the sealed credentials [default: `secret.key` in the data directory]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
}

const WORKER_EXAMPLES: &str = "\
Examples:
  registrysync worker --key-file secret.key \\
      --database postgres://registrysync@db.example.com/registrysync
  registrysync worker --config /etc/registrysync.toml --worker-slots 8

The key file is the one of the servers at this database: `secret.key` in their data directory.
Each flag is also a variable (REGISTRYSYNC_KEY_FILE) and a key of the TOML file (key_file).";

/// `registrysync worker`, and what `registrysync serve` has in common with it
#[derive(Args, Debug)]
pub struct NodeArguments {
    /// Which database
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Parts of runs worked on at once [default: 2]
    #[arg(long, value_name = "N")]
    pub worker_slots: Option<String>,
    /// The zone of schedules, and of dates without a zone on XML-RPC [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Least important lines of the log: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// What a line of the log is like: text, json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Where a JSON message is posted to when a project begins to fail, and when it works again
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Mail server of such messages; with a password in it, better a variable or the file
    #[arg(long, value_name = "URL")]
    pub smtp_url: Option<String>,
    /// Sender of such mails
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Who gets such mails, with commas between
    #[arg(long, value_name = "ADDRESSES")]
    pub mail_to: Option<String>,
}
