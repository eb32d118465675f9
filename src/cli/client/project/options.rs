//! The options of a project as flags, for `project create` and `project set`.

use clap::Args;
use serde_json::{Map, Value as Json, json};

use crate::cli::values::{setting, trimmed, word};
use crate::sync::{IndexMode, OnEmpty, Placement, TagTemplate};

/// Options that a project has; those that aren't given stay as they are.
#[derive(Args, Debug)]
pub struct ProjectOptionArguments {
    /// How target repositories are named [default: path]
    #[arg(long, value_name = "path|flat|scoped|TEMPLATE", value_parser = word::<Placement>)]
    pub placement: Option<Placement>,
    /// How target tags are named, with `{tag}`, `{date}` and `{digest}`; '': as at the source
    #[arg(long, value_name = "TEMPLATE", value_parser = setting::<TagTemplate>)]
    pub target_tag: Option<String>,
    /// Copy this platform only (`arm64`, `linux/arm/v7`); may be repeated; '': all platforms
    #[arg(long = "architecture", value_name = "A")]
    pub architectures: Vec<String>,
    /// What becomes of an index of which some platforms are copied [default: rewrite]; '': the
    /// default
    #[arg(long, value_name = "keep|sparse|rewrite|rewrite-single", value_parser = setting::<IndexMode>)]
    pub index: Option<String>,
    /// What to do if an item selects nothing [default: warn]; '': the default
    #[arg(long, value_name = "warn|fail|ignore", value_parser = setting::<OnEmpty>)]
    pub on_empty: Option<String>,
    /// Also copy signatures, SBOMs and attestations: all, or only these types, comma-separated;
    /// `--referrers=''`: none
    #[arg(long, value_name = "TYPES", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "all", value_parser = trimmed())]
    pub referrers: Vec<String>,
    /// Delete at the target, of the tags that the project wrote: those that have left the source, or
    /// also those that it doesn't write any more [default: none]
    #[arg(long, value_name = "none|gone|selected")]
    pub prune: Option<String>,
    /// The most that a run deletes of a target repository's tags, in percent [default: 20]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    pub prune_limit: Option<i64>,
    /// Never delete target tags that match this regular expression; '': none
    #[arg(long, value_name = "RE")]
    pub prune_protect_regex: Option<String>,
    /// Of the tags to delete in a target repository, keep this number of the newest
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub prune_retain: Option<i64>,
    /// Keep what a tag was before it is overwritten, under a tag with `{tag}`, `{date}` and
    /// `{digest}`; '': don't
    #[arg(long, value_name = "TEMPLATE")]
    pub backup_tag: Option<String>,
    /// Description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Number of tags to work on at once
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_parallel: Option<i64>,
}

impl ProjectOptionArguments {
    /// As the API takes them.
    pub(super) fn members(&self) -> Map<String, Json> {
        let list = |list: &[String]| match list {
            [] => None,
            [unset] if unset.is_empty() => Some(json!([])),
            some => Some(json!(some)),
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let number = |number: Option<i64>| number.map(|number| json!(number));
        let given = [
            (
                "placement",
                self.placement.as_ref().map(|p| json!(p.to_string())),
            ),
            ("target_tag", text(&self.target_tag)),
            ("architectures", list(&self.architectures)),
            ("index", text(&self.index)),
            ("on_empty", text(&self.on_empty)),
            ("referrers", list(&self.referrers)),
            ("prune", text(&self.prune)),
            ("prune_limit", number(self.prune_limit)),
            ("prune_protect_regex", text(&self.prune_protect_regex)),
            ("prune_retain", number(self.prune_retain)),
            ("backup_tag", text(&self.backup_tag)),
            ("description", text(&self.description)),
            ("max_parallel", number(self.max_parallel)),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}
