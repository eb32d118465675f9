//! What can be said to the commands that talk to a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use crate::sync::Placement;

use crate::cli::complete::{api_words, project_labels, store_labels};
use crate::cli::select::SelectArguments;

/// Which server, and who asks. The session is kept for later commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ConnectionArguments {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = "REGISTRYSYNC_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,
    /// Who logs in [default: the one of the kept session; else it is asked for]
    #[arg(long, value_name = "LOGIN", env = "REGISTRYSYNC_USER")]
    pub user: Option<String>,
    /// A file whose first line is the password [default: it is asked for]
    #[arg(long, value_name = "FILE", env = "REGISTRYSYNC_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM) as well
    #[arg(long, value_name = "FILE", env = "REGISTRYSYNC_CA_CERTIFICATE")]
    pub ca_certificate: Option<PathBuf>,
    /// Take any certificate: whoever is between can read the password
    #[arg(long, conflicts_with = "ca_certificate")]
    pub insecure: bool,
}

const API_EXAMPLES: &str = "\
Words:
  METHOD ARG...               by place, the session left out
  METHOD NAME=VALUE...        by name; GET where it only reads, else POST
  get|post METHOD NAME=VALUE  the verb said; also one JSON object with all
  login, logout               only that
  help [NAMESPACE|METHOD]     what there is, without asking the server

Values: whole numbers, true, false, and JSON arrays, objects and texts in quotes are taken as JSON, \
all else is text (so `1.10` stays a tag). @FILE is what a file holds, @- standard input, @@x the text \
@x. A password is only taken from @FILE or @-.

Examples:
  registrysync api registrysync.listTags hub library/nginx
  registrysync api registrysync.listTags storeLabel=hub \\
      repository=library/nginx filter='^1\\.'
  registrysync api registrysync.addImage web library/nginx '[\"1.27\", \"latest\"]'
  registrysync api post registrysync/run label=web
  registrysync api image.store.create label=quay uri=quay.io \\
      storeType=registry credentials=@login.json
  registrysync api help registrysync.addImage

Exit codes: 0 fine, 1 the server refused, 2 bad input, 3 the server can't be reached.";

/// `registrysync api`
#[derive(Args, Debug)]
#[command(after_help = API_EXAMPLES)]
pub struct ApiArguments {
    /// A method, or `get`, `post`, `login`, `logout`, `help`; then its arguments
    #[arg(value_name = "WORD", required = true, allow_negative_numbers = true,
        add = ArgValueCompleter::new(api_words))]
    pub words: Vec<String>,
    /// The result as JSON on one line, texts too
    #[arg(long)]
    pub json: bool,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// `registrysync project`
#[derive(Args, Debug)]
pub struct ProjectArguments {
    /// What to do
    #[command(subcommand)]
    pub command: ProjectCommand,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
}

const PROJECT_CREATE_EXAMPLES: &str = "\
Examples:
  registrysync project create web --from hub --to mirror \\
      --repository library/nginx --semver '>=1.26'
  registrysync project create tools --from quay --to mirror \\
      --placement flat --architecture amd64

Further repositories:
  registrysync api registrysync.addImage LABEL REPOSITORY '[\"TAG\"]'";

const PROJECT_RUN_EXAMPLES: &str = "\
Examples:
  registrysync project run web
  registrysync project run web --wait && echo 'all tags are there'
  registrysync project run web --retry 17    # what failed of run 17

With --wait: exit code 1 if a tag failed, 130 if you stop waiting; the run goes on then.";

const PROJECT_LOG_EXAMPLES: &str = "\
Examples:
  registrysync project log web
  registrysync project log web --run 17 --json";

/// The sub-commands of `registrysync project`.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// List the projects
    #[command(
        after_help = "Examples:\n  registrysync project list\n  registrysync project list --json"
    )]
    List {
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Show a project and its items
    #[command(after_help = "Examples:\n  registrysync project show web")]
    Show {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Make a project, and its first item if `--repository` is given
    #[command(after_help = PROJECT_CREATE_EXAMPLES)]
    Create(Box<ProjectCreateArguments>),
    /// Start a run
    #[command(after_help = PROJECT_RUN_EXAMPLES)]
    Run {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// Show the progress, and end when the run has ended
        #[arg(long)]
        wait: bool,
        /// With `--wait`: no progress, and nothing at the end where nothing was to be done; for cron
        #[arg(long, requires = "wait")]
        quiet: bool,
        /// Behind a run that is under way, instead of being refused
        #[arg(long)]
        queue: bool,
        /// Only the tags that failed in this run
        #[arg(long, value_name = "ID")]
        retry: Option<i64>,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Show what a run said
    #[command(after_help = PROJECT_LOG_EXAMPLES)]
    Log {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// Which of its runs [default: the latest]
        #[arg(long, value_name = "ID")]
        run: Option<i64>,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// When projects run by themselves
    Schedule {
        /// What to do
        #[command(subcommand)]
        command: ScheduleCommand,
    },
}

const SCHEDULE_SET_EXAMPLES: &str = "\
Examples:
  registrysync project schedule set web '0 0 3 * * ?'
  registrysync project schedule set web '0 30 2 ? * MON-FRI'

`registrysync cron LINE` shows what a line means before it is set.";

/// The sub-commands of `registrysync project schedule`.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// List the projects that have a schedule
    #[command(after_help = "Examples:\n  registrysync project schedule list")]
    List {
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Show a project's schedule and when it fires next
    #[command(after_help = "Examples:\n  registrysync project schedule show web")]
    Show {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Set a project's schedule
    #[command(after_help = SCHEDULE_SET_EXAMPLES)]
    Set {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// Quartz cron line: second minute hour day-of-month month day-of-week, and a year where wanted
        #[arg(value_name = "LINE")]
        line: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Remove a project's schedule; a run that goes on isn't touched
    #[command(after_help = "Examples:\n  registrysync project schedule remove web")]
    Remove {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
}

/// `registrysync project create`
#[derive(Args, Debug)]
pub struct ProjectCreateArguments {
    /// How it will be called
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// The store to copy from
    #[arg(long, value_name = "STORE", add = ArgValueCompleter::new(store_labels))]
    pub from: String,
    /// The store to copy to
    #[arg(long, value_name = "STORE", add = ArgValueCompleter::new(store_labels))]
    pub to: String,
    /// How a target repository is named [default: path]
    #[arg(long, value_name = "path|flat|scoped")]
    pub placement: Option<Placement>,
    /// Copy this platform only (`arm64`, `linux/arm/v7`); may be given several times
    #[arg(long = "architecture", value_name = "A")]
    pub architectures: Vec<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Tags worked on at once
    #[arg(long, value_name = "N")]
    pub max_parallel: Option<i64>,
    /// It may not run yet
    #[arg(long)]
    pub disabled: bool,
    /// Its first item: this repository; without a selector all its tags
    #[arg(long, value_name = "R")]
    pub repository: Option<String>,
    /// Which tags
    #[command(flatten)]
    pub select: SelectArguments,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// `registrysync workers`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  registrysync workers\n  registrysync workers --json")]
pub struct WorkersArguments {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// `registrysync store`
#[derive(Args, Debug)]
pub struct StoreArguments {
    /// What to do
    #[command(subcommand)]
    pub command: StoreCommand,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
}

const STORE_ADD_EXAMPLES: &str = "\
Examples:
  registrysync store add hub docker.io
  registrysync store add mirror registry.example.com/mirror \\
      --username sync --registry-password-file token
  registrysync store add lab http://localhost:5000";

/// The sub-commands of `registrysync store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// List the image stores
    #[command(
        after_help = "Examples:\n  registrysync store list\n  registrysync store list --json"
    )]
    List {
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Make an image store of a registry's address
    #[command(after_help = STORE_ADD_EXAMPLES)]
    Add(Box<StoreAddArguments>),
    /// Try a registry step by step; exit code 3 if it can't be used
    #[command(after_help = "Examples:\n  registrysync store test mirror")]
    Test {
        /// The store
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(store_labels))]
        label: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
}

/// `registrysync store add`
#[derive(Args, Debug)]
pub struct StoreAddArguments {
    /// How it will be called
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// The registry: `host[:port][/prefix]`, `http://` in front for one without TLS
    #[arg(value_name = "ADDRESS")]
    pub uri: String,
    /// The user at the registry
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// A file whose first line is that user's password or token [default: it is asked for]
    #[arg(long, value_name = "FILE", requires = "username")]
    pub registry_password_file: Option<PathBuf>,
    /// Certificates (PEM) that the server shall trust for this registry
    #[arg(long, value_name = "FILE")]
    pub registry_ca_certificate: Option<PathBuf>,
    /// The registry's certificate isn't checked
    #[arg(long)]
    pub no_tls_verify: bool,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}
