//! What a run was asked to do. It never has a credential.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What was asked, as it was when the run started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// The project; omitted for a run without a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<AskedProject>,
    /// Where from; omitted if each item has a registry of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<AskedRegistry>,
    /// Where to.
    pub target: AskedRegistry,
    /// The options: `placement`, `architectures` and so on.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Which repositories, and which of their tags.
    #[serde(default)]
    pub items: Vec<AskedItem>,
    /// The run whose failed tags were retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<i64>,
    /// The kept plan that was copied, instead of what the items select.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<AskedPlan>,
    /// Whether deletes beyond `prune_limit`, and after an empty listing or selection, were permitted;
    /// omitted if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// A kept plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedPlan {
    /// Its id; omitted for one from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// How many tags it copies or updates.
    pub actions: u64,
}

/// A project at the start of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedProject {
    /// Its label.
    pub label: String,
    /// Its version, which each change increases.
    pub version: i64,
}

/// One end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedRegistry {
    /// The image store's label; omitted for a run without a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `host[:port][/prefix]`
    pub address: String,
}

/// An item of the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedItem {
    /// The source repository, as the item names it.
    pub repository: String,
    /// `host/repository` at the source.
    pub source: String,
    /// The selectors and other options that it has; without any, all tags.
    #[serde(default)]
    pub options: Map<String, Value>,
}
