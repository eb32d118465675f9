//! Where a project's items come from and go to, and the conflicts to refuse: a place copied onto
//! itself, and a tag that two sources would write.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::item_spec::ItemSpec;
use super::repositories::Repositories;
use super::settings::ProjectSettings;
use crate::oci::{NameError, RegistryAddress, Repository};
use crate::service::Error;
use crate::service::stores::settings::StoreOptions;
use crate::store::DbConnection;
use crate::store::projects::project::Project;
use crate::store::stores::image_store::{ImageStore, image_store_by_id};
use crate::sync::{Placement, TagTemplate};

/// The two ends of a project, and how one is mapped onto the other.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where the source store is.
    pub source: RegistryAddress,
    /// Where the target store is.
    pub target: RegistryAddress,
    /// How target repositories are named.
    pub placement: Placement,
    /// How target tags are named.
    pub target_tag: Option<TagTemplate>,
}

/// A full path at the source and its counterpart at the target.
struct Way {
    from: Repository,
    to: Repository,
}

impl Places {
    /// Refuses a project whose repositories would all be copied onto themselves.
    pub(super) fn check_ends(&self) -> Result<(), Error> {
        // Any path of two parts will do: `flat` moves it, `path` between equal addresses doesn't.
        let probe = Repository::parse("a/b").map_err(Error::unexpected)?;
        match self.way(&probe, None) {
            Ok(way) if self.is_same_place(&way) && self.target_tag.is_none() => {
                Err(Error::invalid(
                    "destStore",
                    format!(
                        "source and target are the same place, `{}`: with the placement `{}` every \
                     repository would be copied onto itself; choose another store or placement",
                        self.target, self.placement
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an item without a valid target or copied onto itself, and two sources of one target
    /// tag, as far as the literal tags tell.
    pub(super) fn check_items(&self, items: &[ItemSpec]) -> Result<(), Error> {
        let mut writers: HashMap<(Repository, String), (Repository, &str, String)> = HashMap::new();
        for item in items {
            let Repositories::One(repository) = &item.repositories else {
                // What it matches is known when a run starts; other conflicts are found there.
                self.check_names(item)?;
                continue;
            };
            let way = self.way(repository, item.target_repository.as_ref());
            let way = way.map_err(|error| self.no_target(item, &error))?;
            self.check_same_place(item, &way)?;
            self.check_names(item)?;
            for tag in item.selector_literal_tags()? {
                let place = (way.to.clone(), self.target_tag(&tag)?);
                match writers.get(&place) {
                    Some((from, other, other_tag)) if *from != way.from || *other_tag != tag => {
                        let sources = [(*other, other_tag.as_str()), (repository.as_str(), &tag)];
                        return Err(clash(&place, sources));
                    }
                    Some(_) => {}
                    None => {
                        let source = (way.from.clone(), repository.as_str(), tag);
                        writers.insert(place, source);
                    }
                }
            }
        }
        Ok(())
    }

    fn no_target(&self, item: &ItemSpec, error: &NameError) -> Error {
        let field = match (&item.target_repository, &self.placement) {
            (None, Placement::Template(_)) => "placement",
            _ => "target_repository",
        };
        Error::invalid(field, error.to_string())
    }

    /// Within one repository, only named tags can get another name: a pattern would select the copies
    /// of the run before.
    fn check_same_place(&self, item: &ItemSpec, way: &Way) -> Result<(), Error> {
        let is_renamed = self.target_tag.is_some() && item.selector.is_literal_only();
        if !self.is_same_place(way) || is_renamed {
            return Ok(());
        }
        let (host, to) = (self.target.host(), &way.to);
        let message = format!(
            "source and target are the same place, `{host}/{to}`: give another \
             `target_repository` or `placement`"
        );
        Err(Error::invalid("repository", message))
    }

    /// Refuses a template that gives all tags of a pattern one name.
    fn check_names(&self, item: &ItemSpec) -> Result<(), Error> {
        match &self.target_tag {
            Some(template) if !template.is_distinct() && !item.selector.is_literal_only() => {
                let message = format!(
                    "`{template}` is the same name for every tag that `{}` selects: add `{{tag}}` to \
                     it, or name one tag in `tags`",
                    item.repositories
                );
                Err(Error::invalid("target_tag", message))
            }
            _ => Ok(()),
        }
    }

    fn target_tag(&self, tag: &str) -> Result<String, Error> {
        let Some(template) = &self.target_tag else {
            return Ok(tag.to_owned());
        };
        let named = template.tag(tag, NaiveDate::default(), None);
        let named = named.map_err(|error| Error::invalid("target_tag", error.to_string()))?;
        Ok(named.as_str().to_owned())
    }

    /// The full target path of an item's repository; one without a valid target has its own, under
    /// which it fails. A pattern has its text.
    pub(in crate::service) fn place(&self, item: &ItemSpec) -> String {
        let Repositories::One(repository) = &item.repositories else {
            return item.repositories.to_string();
        };
        match self.way(repository, item.target_repository.as_ref()) {
            Ok(way) => way.to.to_string(),
            Err(_) => repository.to_string(),
        }
    }

    fn way(&self, repository: &Repository, target: Option<&Repository>) -> Result<Way, NameError> {
        let below = match target {
            Some(target) => target.clone(),
            None => self.placement.target(&self.source, repository)?,
        };
        Ok(Way {
            from: self.source.resolve(repository)?,
            to: self.target.resolve(&below)?,
        })
    }

    fn is_same_place(&self, way: &Way) -> bool {
        self.source.is_same_registry(&self.target) && way.from == way.to
    }
}

fn clash(place: &(Repository, String), sources: [(&str, &str); 2]) -> Error {
    let (repository, tag) = place;
    let [(one, one_tag), (other, other_tag)] = sources;
    let message = format!(
        "`{one}:{one_tag}` and `{other}:{other_tag}` would both be written to `{repository}:{tag}`: \
         give one of them another `target_repository`, or the project another `placement` or \
         `target_tag`"
    );
    let field = if one_tag == other_tag {
        "tags"
    } else {
        "target_tag"
    };
    Error::invalid(field, message)
}

/// The ends of a project between stores at these addresses.
fn places(source: RegistryAddress, target: RegistryAddress, settings: &ProjectSettings) -> Places {
    Places {
        source,
        target,
        placement: settings.placement.clone(),
        target_tag: settings.target_tag.clone(),
    }
}

/// Where a project's items come from and go to.
pub(in crate::service) fn places_of(
    conn: &mut DbConnection,
    project: &Project,
) -> Result<Places, Error> {
    let source = store_by_id(conn, project.org_id, project.src_store_id)?;
    let target = store_by_id(conn, project.org_id, project.dest_store_id)?;
    ends_of(&source, &target, &ProjectSettings::of(project)?)
}

/// The ends of a project between two stores.
pub(super) fn ends_of(
    source: &ImageStore,
    target: &ImageStore,
    settings: &ProjectSettings,
) -> Result<Places, Error> {
    Ok(places(address(source)?, address(target)?, settings))
}

fn address(store: &ImageStore) -> Result<RegistryAddress, Error> {
    StoreOptions::of(store)?.stored_address(store)
}

/// A store of a project.
pub(super) fn store_by_id(conn: &mut DbConnection, org: i64, id: i64) -> Result<ImageStore, Error> {
    image_store_by_id(conn, org, id)?
        .ok_or_else(|| Error::unexpected(format!("a project's store {id} is gone")))
}
