//! The arguments of `registrysync sync` and `registrysync plan`, which take the same selection.

use std::path::PathBuf;

use clap::Args;

use crate::oci::PlatformChoice;
use crate::sync::{BackupTag, IndexMode, OnEmpty, Placement, TagTemplate};

use super::select::{RepositoryArguments, SelectArguments};
use super::trust::TrustArguments;
use super::values::{EvidenceFormat, name_count, platform, reduction, trimmed, word};

const SYNC_EXAMPLES: &str = "\
Examples:
  registrysync sync mirror.yml --to registry.example.com/mirror
  registrysync sync mirror.yml --to localhost:5000 --plain-http --dry-run
  registrysync sync --from docker.io --to registry.example.com \\
      --repository nginx --semver '>=1.26'
  registrysync sync --from quay.io --to http://localhost:5000 \\
      --repository prometheus/prometheus --tag v3.0.0 --tag-regex '^v3\\.' \\
      --architecture amd64 --architecture arm64
  registrysync sync --from one.example.com --to two.example.com \\
      --repository-regex '^team/' --newest 3
  registrysync sync - --to registry.example.com --ca-certificate ca.pem
  registrysync sync mirror.yml --to localhost:5000 --evidence today.json
  registrysync sync --plan monday.plan

Credentials come from the file, or from REGISTRY_AUTH_FILE, the containers auth.json, or Docker's config.json.
Exit codes: 0 success, 1 a tag failed or is blocked, or nothing was selected, 2 bad input, 3 a registry can't be reached, 130 interrupted.";

/// `registrysync sync`
#[derive(Args, Debug)]
#[command(
    after_help = SYNC_EXAMPLES,
    mut_arg("file", |arg| arg.required_unless_present_any(["from", "plan"])),
    mut_arg("to", |arg| arg.required(false).required_unless_present("plan")),
)]
pub struct SyncArguments {
    /// What to copy
    #[command(flatten)]
    pub copy: CopyArguments,
    /// Copy exactly what this file of `registrysync plan --save` says, by its digests
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "file", "from", "to", "repositories", "selectors", "placement", "target_tag", "architecture",
        "index", "backup_tag", "on_empty", "referrers", "max_names", "plain_http", "dry_run",
    ])]
    pub plan: Option<PathBuf>,
    /// Show what would be done, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write what was asked and done to this file, which appears, or is replaced, once it is complete;
    /// `-` is standard output, and then the lines about tags are on standard error
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub evidence: Option<PathBuf>,
    /// The whole document as JSON, or a line for each tag as CSV [default: by the end of the file's
    /// name, `.json` or `.csv`; json on standard output]
    #[arg(long, value_enum, requires = "evidence")]
    pub evidence_format: Option<EvidenceFormat>,
    /// No progress bar, and only warnings if there was nothing to do; for cron
    #[arg(long)]
    pub quiet: bool,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  registrysync plan mirror.yml --to registry.example.com/mirror
  registrysync plan mirror.yml --to localhost:5000 --save monday.plan
  registrysync sync --plan monday.plan
  registrysync plan --from docker.io --to registry.example.com \\
      --repository nginx --semver '>=1.26' --json

The requests are those of a run whose target lacks every blob; pulls are GETs of manifests, which Docker Hub counts.
Exit codes: as `registrysync sync`.";

/// `registrysync plan`
#[derive(Args, Debug)]
#[command(after_help = PLAN_EXAMPLES)]
pub struct PlanArguments {
    /// What to copy
    #[command(flatten)]
    pub copy: CopyArguments,
    /// Save the plan to this new file, for `registrysync sync --plan`
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

/// What to copy, and from where to where.
#[derive(Args, Debug)]
pub struct CopyArguments {
    /// A `skopeo sync` YAML file that lists what to copy; `-` reads standard input
    #[arg(value_name = "FILE", required_unless_present = "from", conflicts_with_all = ["from", "repositories", "selectors"])]
    pub file: Option<PathBuf>,
    /// The source registry: `host[:port][/prefix]`
    #[arg(long, value_name = "HOST[/PREFIX]", requires = "repositories")]
    pub from: Option<String>,
    /// The target registry: `host[:port][/prefix]`
    #[arg(long, value_name = "HOST[/PREFIX]", required = true)]
    pub to: Option<String>,
    /// Which repositories
    #[command(flatten)]
    pub repositories: RepositoryArguments,
    /// Which tags
    #[command(flatten)]
    pub select: SelectArguments,
    /// How target repositories are named: same path, last part only, below the source host, or a
    /// template with `{registry}`, `{repository}`, `{name}`
    /// [default: flat for FILE, as skopeo does, otherwise path]
    #[arg(long, value_name = "path|flat|scoped|TEMPLATE", value_parser = word::<Placement>)]
    pub placement: Option<Placement>,
    /// How target tags are named, with `{tag}`, `{date}` and `{digest}`; for example `{tag}-{date}`
    #[arg(long, value_name = "TEMPLATE", value_parser = word::<TagTemplate>)]
    pub target_tag: Option<TagTemplate>,
    /// Keep what a tag was before it is overwritten, under a tag with `{tag}`, `{date}` and `{digest}`; for
    /// example `{tag}-before-{date}`
    #[arg(long, value_name = "TEMPLATE", value_parser = word::<BackupTag>)]
    pub backup_tag: Option<BackupTag>,
    /// How to connect to registries
    #[command(flatten)]
    pub trust: TrustArguments,
    /// Copy this platform only (`arm64`, `linux/arm/v7`; `aarch64`, `x86_64` are understood); may be
    /// repeated
    #[arg(long, value_name = "A", value_parser = platform)]
    pub architecture: Vec<PlatformChoice>,
    /// What becomes of an index of which some platforms are copied [default: rewrite]
    #[arg(long, value_name = "sparse|rewrite|rewrite-single", requires = "architecture", value_parser = reduction)]
    pub index: Option<IndexMode>,
    /// What to do if nothing in a repository is selected
    #[arg(long, value_name = "warn|fail|ignore", default_value_t, value_parser = word::<OnEmpty>)]
    pub on_empty: OnEmpty,
    /// Also copy signatures, SBOMs and attestations: all, or only these types (`signature`,
    /// `attestation`, `sbom`, `application/spdx+json`), comma-separated
    #[arg(long, value_name = "TYPES", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "all", value_parser = trimmed())]
    pub referrers: Vec<String>,
    /// Maximum number of tags to read from a listing [default: 200000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = name_count)]
    pub max_names: Option<usize>,
    /// Print JSON lines: one object per tag, then the totals
    #[arg(long)]
    pub json: bool,
}
