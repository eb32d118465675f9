//! How target repositories are named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::template::Template;
use crate::oci::{NameError, RegistryAddress, Repository};

/// How target repositories are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Placement {
    /// The same repository path.
    #[default]
    Path,
    /// Only the last part of the path, like `skopeo sync` without `--scoped`.
    Flat,
    /// `<source host>/<path>`, like `skopeo sync --scoped`; a port is written `host_port`.
    Scoped,
    /// A template.
    Template(PathTemplate),
}

/// A template of repository paths: `{registry}` (the source host; a port is written `host_port`),
/// `{repository}` (the path) and `{name}` (its last part).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(Template);

impl Placement {
    /// The repository below the target's address for `repository` of the registry `source`.
    pub fn target(
        &self,
        source: &RegistryAddress,
        repository: &Repository,
    ) -> Result<Repository, NameError> {
        let registry = || source.host().replace(':', "_");
        let path = || match source.prefix() {
            Some(_) => Ok(repository.clone()),
            None => source.resolve(repository),
        };
        match self {
            Self::Flat => Repository::parse(repository.name()),
            Self::Path => path(),
            Self::Scoped => {
                Repository::parse(&format!("{}/{}", registry(), source.resolve(repository)?))
            }
            Self::Template(PathTemplate(template)) => {
                let (registry, path) = (registry(), path()?);
                Repository::parse(&template.filled(|name| match name {
                    "registry" => &registry,
                    "repository" => path.as_str(),
                    _ => path.name(),
                }))
            }
        }
    }
}

impl FromStr for PathTemplate {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let names = ["registry", "repository", "name"];
        let template = Template::parse("placement", text, &names)?;
        if !template.has(&["repository", "name"]) {
            return Err(NameError::new(
                "placement",
                text,
                "a template needs `{repository}` or `{name}`, or all repositories become one",
            ));
        }
        let sample = Repository::parse(&template.filled(|_| "a"));
        sample.map_err(|error| NameError::new("placement", text, error.reason))?;
        Ok(Self(template))
    }
}

impl FromStr for Placement {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "path" => Ok(Self::Path),
            "flat" => Ok(Self::Flat),
            "scoped" => Ok(Self::Scoped),
            template if template.contains('{') => template.parse().map(Self::Template),
            _ => Err(NameError::new(
                "placement",
                text,
                "expected `path`, `flat`, `scoped`, or a template such as `mirror/{repository}`",
            )),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Flat => "flat",
            Self::Scoped => "scoped",
            Self::Template(PathTemplate(template)) => return template.fmt(f),
        })
    }
}

impl TryFrom<String> for Placement {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Placement> for String {
    fn from(placement: Placement) -> Self {
        placement.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_place_repositories_or_are_refused() {
        let source = RegistryAddress::parse("r.example:5000").unwrap();
        let repository = Repository::parse("team/app").unwrap();
        for (template, wanted) in [
            ("mirror/{repository}", "mirror/team/app"),
            ("{registry}/x/{name}", "r.example_5000/x/app"),
            ("{name}-copy", "app-copy"),
        ] {
            let placement: Placement = template.parse().unwrap();
            let target = placement.target(&source, &repository).unwrap();
            assert_eq!(target.as_str(), wanted);
            assert_eq!(placement.to_string(), template);
        }
        for (template, reason) in [
            ("mirror", "expected `path`, `flat`, `scoped`"),
            ("{registry}", "needs `{repository}` or `{name}`"),
            (
                "{tag}/{name}",
                "expected `{registry}`, `{repository}`, `{name}`",
            ),
            ("/{name}", "each part between slashes"),
            ("Mirror/{name}", "upper-case"),
            ("{name}:1", "without tag"),
        ] {
            let error = template.parse::<Placement>().unwrap_err().to_string();
            assert!(error.contains(reason), "{template}: {error}");
        }
    }

    #[test]
    fn placements() {
        for (source, repository, path, flat, scoped) in [
            ("r.example", "a/b", "a/b", "b", "r.example/a/b"),
            ("r.example:5000", "a/b", "a/b", "b", "r.example_5000/a/b"),
            ("r.example/team", "b", "b", "b", "r.example/team/b"),
            (
                "docker.io",
                "alpine",
                "library/alpine",
                "alpine",
                "docker.io/library/alpine",
            ),
            ("docker.io", "me/app", "me/app", "app", "docker.io/me/app"),
        ] {
            let source = RegistryAddress::parse(source).unwrap();
            let repository = Repository::parse(repository).unwrap();
            for (placement, wanted) in [
                (Placement::Path, path),
                (Placement::Flat, flat),
                (Placement::Scoped, scoped),
            ] {
                let target = placement.target(&source, &repository).unwrap();
                assert_eq!(target.as_str(), wanted, "{placement} {source}/{repository}");
                assert_eq!(
                    placement.to_string().parse::<Placement>().unwrap(),
                    placement
                );
            }
        }
    }
}
