//! The arguments of the commands that talk to a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use crate::cli::complete::{api_words, project_labels, store_labels};
use crate::cli::select::{RepositoryArguments, SelectArguments};
use crate::cli::values::EvidenceFormat;

use super::project::options::ProjectOptionArguments;

/// Which server, and which account. The session is kept for later commands.
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
    /// Account to log in as [default: that of the saved session, otherwise prompted for]
    #[arg(long, value_name = "LOGIN", env = "REGISTRYSYNC_USER")]
    pub user: Option<String>,
    /// File with the password in its first line [default: prompted for]
    #[arg(long, value_name = "FILE", env = "REGISTRYSYNC_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Also trust the certificates in this PEM file
    #[arg(long, value_name = "FILE", env = "REGISTRYSYNC_CA_CERTIFICATE")]
    pub ca_certificate: Option<PathBuf>,
    /// Accept any certificate; an attacker on the network can then read the password
    #[arg(long, conflicts_with = "ca_certificate")]
    pub insecure: bool,
}

const API_EXAMPLES: &str = "\
Words:
  METHOD ARG...               positional, without the session key
  METHOD NAME=VALUE...        by name; GET if the method only reads, otherwise POST
  get|post METHOD NAME=VALUE  with an explicit verb; or one JSON object with all arguments
  login, logout               start or end the session
  help [NAMESPACE|METHOD]     list namespaces and methods, without a server

Values: integers, true, false, and JSON arrays, objects and quoted strings are read as JSON, \
anything else is text (so `1.10` stays a tag). @FILE is the content of a file, @- standard input, @@x the text \
@x. A password is only accepted from @FILE or @-.

Examples:
  registrysync api registrysync.listTags hub library/nginx
  registrysync api registrysync.listTags storeLabel=hub \\
      repository=library/nginx filter='^1\\.'
  registrysync api registrysync.addImage web library/nginx '[\"1.27\", \"latest\"]'
  registrysync api post registrysync/run label=web
  registrysync api image.store.create label=quay uri=quay.io \\
      storeType=registry credentials=@login.json
  registrysync api help registrysync.addImage

Exit codes: 0 success, 1 refused by the server, 2 bad input, 3 the server can't be reached.";

/// `registrysync api`
#[derive(Args, Debug)]
#[command(after_help = API_EXAMPLES)]
pub struct ApiArguments {
    /// A method, or `get`, `post`, `login`, `logout` or `help`; then its arguments
    #[arg(value_name = "WORD", required = true, allow_negative_numbers = true,
        add = ArgValueCompleter::new(api_words))]
    pub words: Vec<String>,
    /// Print the result as one line of JSON, even if it is text
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
    /// Print JSON, one object per line
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

const PROJECT_PLAN_EXAMPLES: &str = "\
Examples:
  registrysync project plan web
  registrysync project plan web --keep
  registrysync project run web --plan 5    # exactly what plan 5 says

Exit code 1 if a tag can't or mustn't be copied.";
const PROJECT_SET_EXAMPLES: &str = "\
Examples:
  registrysync project set web --prune gone --prune-protect-regex '^release-'
  registrysync project set web --backup-tag '{tag}-before-{date}'
  registrysync project set web --prune none --backup-tag '' --target-tag '' \\
      --architecture '' --referrers=''     # '' unsets an option
  registrysync project set web --disabled";

const PROJECT_RUN_EXAMPLES: &str = "\
Examples:
  registrysync project run web
  registrysync project run web --wait && echo 'all tags are there'
  registrysync project run web --retry 17    # only the failed tags of run 17
  registrysync project run web --plan 5      # exactly what plan 5 says
  registrysync project run web --force       # deletes beyond `prune_limit`

With --wait: exit code 0 if the run finished without failed or blocked tags, otherwise 1; 130 if you stop waiting (the run continues).";

const PROJECT_LOG_EXAMPLES: &str = "\
Examples:
  registrysync project log web
  registrysync project log web --run 17 --json";

const PROJECT_EVIDENCE_EXAMPLES: &str = "\
Examples:
  registrysync project evidence 17 --output run-17.json
  registrysync project evidence 17 --format csv > run-17.csv

Check a tag with another client: its digest is the SHA-256 of its manifest.
  skopeo inspect --raw docker://TARGET | sha256sum";

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
    /// Create a project, and its first item if `--repository` is given
    #[command(after_help = PROJECT_CREATE_EXAMPLES)]
    Create(Box<ProjectCreateArguments>),
    /// Show what a run would do, and what it would cost
    #[command(after_help = PROJECT_PLAN_EXAMPLES)]
    Plan {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// Keep the plan for 7 days, to run exactly this
        #[arg(long)]
        keep: bool,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// List a project's kept plans
    #[command(after_help = "Examples:\n  registrysync project plans web")]
    Plans {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Show a kept plan
    #[command(after_help = "Examples:\n  registrysync project plan-show 5")]
    PlanShow {
        /// Id of the plan
        #[arg(value_name = "PLAN_ID", allow_negative_numbers = true)]
        plan: i64,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Delete a kept plan
    #[command(after_help = "Examples:\n  registrysync project plan-delete 5")]
    PlanDelete {
        /// Id of the plan
        #[arg(value_name = "PLAN_ID", allow_negative_numbers = true)]
        plan: i64,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Change options of a project; the others stay as they are
    #[command(after_help = PROJECT_SET_EXAMPLES)]
    Set(Box<ProjectSetArguments>),
    /// Start a run
    #[command(after_help = PROJECT_RUN_EXAMPLES)]
    Run {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// Show progress until the run has ended
        #[arg(long)]
        wait: bool,
        /// With `--wait`: no progress, and no output if there was nothing to do; for cron
        #[arg(long, requires = "wait")]
        quiet: bool,
        /// Queue the run behind one in progress instead of being refused
        #[arg(long)]
        queue: bool,
        /// Only retry the tags that failed in this run
        #[arg(long, value_name = "ID", allow_negative_numbers = true)]
        retry: Option<i64>,
        /// Copy and delete exactly what this kept plan says, by its digests
        #[arg(long, value_name = "ID", allow_negative_numbers = true, conflicts_with_all = ["retry", "force"])]
        plan: Option<i64>,
        /// Permit deletes beyond the project's `prune_limit`, and after an empty listing or selection
        #[arg(long, conflicts_with = "retry")]
        force: bool,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Show a run's log
    #[command(after_help = PROJECT_LOG_EXAMPLES)]
    Log {
        /// The project
        #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
        label: String,
        /// Id of the run [default: the latest]
        #[arg(long, value_name = "ID", allow_negative_numbers = true)]
        run: Option<i64>,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Download the evidence of a run: what was asked, and each tag with its digests
    #[command(after_help = PROJECT_EVIDENCE_EXAMPLES)]
    Evidence(Box<ProjectEvidenceArguments>),
    /// Manage the schedules of projects
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

Check a line with `registrysync cron LINE` before you set it.";

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
        /// Quartz cron line: `second minute hour day-of-month month day-of-week [year]`
        #[arg(value_name = "LINE")]
        line: String,
        /// The server
        #[command(flatten)]
        connection: ConnectionArguments,
    },
    /// Remove a project's schedule; a run in progress continues
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

/// `registrysync project evidence`
#[derive(Args, Debug)]
pub struct ProjectEvidenceArguments {
    /// Id of the run; `registrysync project run` prints it
    #[arg(value_name = "RUN_ID", allow_negative_numbers = true)]
    pub run: i64,
    /// The whole document as JSON, or a line for each tag as CSV [default: by the end of the file's
    /// name, `.json` or `.csv`; json on standard output]
    #[arg(long, value_enum)]
    pub format: Option<EvidenceFormat>,
    /// Write to this file, which appears, or is replaced, once it is complete; `-` is standard output
    /// [default: -]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// `registrysync project create`
#[derive(Args, Debug)]
pub struct ProjectCreateArguments {
    /// Its label
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// The store to copy from
    #[arg(long, value_name = "STORE", add = ArgValueCompleter::new(store_labels))]
    pub from: String,
    /// The store to copy to
    #[arg(long, value_name = "STORE", add = ArgValueCompleter::new(store_labels))]
    pub to: String,
    /// Its options
    #[command(flatten)]
    pub options: ProjectOptionArguments,
    /// Create it disabled: it can't run until it is enabled
    #[arg(long)]
    pub disabled: bool,
    /// The repositories of its first item; all tags if no selector is given
    #[command(flatten)]
    pub repositories: RepositoryArguments,
    /// Which tags
    #[command(flatten)]
    pub select: SelectArguments,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// `registrysync project set`
#[derive(Args, Debug)]
pub struct ProjectSetArguments {
    /// The project
    #[arg(value_name = "LABEL", add = ArgValueCompleter::new(project_labels))]
    pub label: String,
    /// Its options
    #[command(flatten)]
    pub options: ProjectOptionArguments,
    /// Enable it
    #[arg(long, conflicts_with = "disabled")]
    pub enabled: bool,
    /// Disable it: it can't run until it is enabled
    #[arg(long)]
    pub disabled: bool,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// `registrysync workers`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  registrysync workers\n  registrysync workers --json")]
pub struct WorkersArguments {
    /// Print JSON, one object per line
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
    /// Print JSON, one object per line
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
    /// Create an image store from a registry's address
    #[command(after_help = STORE_ADD_EXAMPLES)]
    Add(Box<StoreAddArguments>),
    /// Test a registry step by step; exit code 3 if it isn't usable
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
    /// Its label
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// The registry: `host[:port][/prefix]`, with `http://` in front if it has no TLS
    #[arg(value_name = "ADDRESS")]
    pub uri: String,
    /// The user at the registry
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// File with that user's password or token in its first line [default: prompted for]
    #[arg(long, value_name = "FILE", requires = "username")]
    pub registry_password_file: Option<PathBuf>,
    /// PEM file with certificates that the server trusts for this registry
    #[arg(long, value_name = "FILE")]
    pub registry_ca_certificate: Option<PathBuf>,
    /// Don't verify the registry's certificate
    #[arg(long)]
    pub no_tls_verify: bool,
    /// The server
    #[command(flatten)]
    pub connection: ConnectionArguments,
}
