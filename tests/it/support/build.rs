//! What tests put into the database: image stores, projects with their items, and runs.
//!
//! A test names the parts that it is about; all others have a default that works:
//!
//! ```ignore
//! let hub = StoreBuilder::new("hub").password("s3cret").make(conn, &key, org);
//! let web = ProjectBuilder::new("web").between("one.example", "two.example/mirror").items(6).make(conn, &key, org);
//! let run = RunBuilder::of(&web).trigger(RunTrigger::Schedule).enqueue(conn);
//! ```
//!
//! `make` and `enqueue` panic where the database refuses; `try_make` and `try_enqueue` return why.

use registrysync::service::projects::settings::ProjectSettings;
use registrysync::service::stores::settings::StoreOptions;
use registrysync::store::projects::item::item_create;
use registrysync::store::projects::project::{NewProject, Project, project_by_id, project_create};
use registrysync::store::runs::queue::{Enqueued, NewRun, run_enqueue, run_queued};
use registrysync::store::runs::run::RunTrigger;
use registrysync::store::stores::image_store::{Login, NewImageStore, image_store_create};
use registrysync::store::{DbConnection, Error, SealKey};
use registrysync::sync::SelectorSpec;
use serde::Serialize;

/// Options as their row keeps them.
fn stored(options: &impl Serialize) -> String {
    serde_json::to_string(options).expect("JSON")
}

/// An image store; without a login, at an address that nobody answers.
#[derive(Clone)]
pub(crate) struct StoreBuilder {
    label: String,
    uri: String,
    login: Option<Login>,
}

impl StoreBuilder {
    pub(crate) fn new(label: &str) -> StoreBuilder {
        StoreBuilder {
            label: label.to_owned(),
            uri: "registry.example.org".to_owned(),
            login: None,
        }
    }

    pub(crate) fn uri(mut self, uri: &str) -> StoreBuilder {
        uri.clone_into(&mut self.uri);
        self
    }

    /// With the login `robot`.
    pub(crate) fn password(mut self, password: &str) -> StoreBuilder {
        self.login = Some(Login {
            username: "robot".to_owned(),
            password: password.into(),
        });
        self
    }

    /// Returns its id.
    pub(crate) fn make(&self, conn: &mut DbConnection, key: &SealKey, org_id: i64) -> i64 {
        self.try_make(conn, key, org_id).expect("a store")
    }

    pub(crate) fn try_make(
        &self,
        conn: &mut DbConnection,
        key: &SealKey,
        org_id: i64,
    ) -> Result<i64, Error> {
        let new = NewImageStore {
            org_id,
            label: self.label.clone(),
            store_type: "registry".to_owned(),
            uri: self.uri.clone(),
            options: stored(&StoreOptions::default()),
            login: self.login.clone(),
        };
        image_store_create(conn, key, &new)
    }
}

/// Where a project copies from and to.
enum Ends {
    /// Stores to be made, `LABEL-src` and `LABEL-dest`, at these addresses.
    Between(String, String),
    /// Stores that exist.
    Stores(i64, i64),
}

/// A project; enabled, without items, between two stores of its own.
pub(crate) struct ProjectBuilder {
    label: String,
    ends: Ends,
    items: usize,
    settings: ProjectSettings,
}

impl ProjectBuilder {
    pub(crate) fn new(label: &str) -> ProjectBuilder {
        ProjectBuilder {
            label: label.to_owned(),
            ends: Ends::Between(
                "source.example.org".to_owned(),
                "target.example.org".to_owned(),
            ),
            items: 0,
            settings: ProjectSettings::default(),
        }
    }

    /// From a new store at the first address to one at the second.
    pub(crate) fn between(mut self, source: &str, target: &str) -> ProjectBuilder {
        self.ends = Ends::Between(source.to_owned(), target.to_owned());
        self
    }

    /// From one store to another, by their ids.
    pub(crate) fn stores(mut self, src_id: i64, dest_id: i64) -> ProjectBuilder {
        self.ends = Ends::Stores(src_id, dest_id);
        self
    }

    /// With this number of items, `app0`, `app1` and so on, each with all tags.
    pub(crate) fn items(mut self, count: usize) -> ProjectBuilder {
        self.items = count;
        self
    }

    pub(crate) fn max_parallel(mut self, tags: usize) -> ProjectBuilder {
        self.settings.max_parallel = tags;
        self
    }

    /// Returns its row.
    pub(crate) fn make(&self, conn: &mut DbConnection, key: &SealKey, org_id: i64) -> Project {
        self.try_make(conn, key, org_id).expect("a project")
    }

    pub(crate) fn try_make(
        &self,
        conn: &mut DbConnection,
        key: &SealKey,
        org_id: i64,
    ) -> Result<Project, Error> {
        let mut store = |end: &str, uri: &str| {
            StoreBuilder::new(&format!("{}-{end}", self.label))
                .uri(uri)
                .try_make(conn, key, org_id)
        };
        let (src_store_id, dest_store_id) = match &self.ends {
            Ends::Between(source, target) => (store("src", source)?, store("dest", target)?),
            Ends::Stores(src_id, dest_id) => (*src_id, *dest_id),
        };
        let new = NewProject {
            org_id,
            label: &self.label,
            src_store_id,
            dest_store_id,
            enabled: true,
            options: &stored(&self.settings),
            modified_by: "somebody",
        };
        let id = project_create(conn, &new)?;
        let project = project_by_id(conn, org_id, id)?.expect("the project");
        for number in 0..self.items {
            ItemBuilder::new(&format!("app{number}")).make(conn, &project);
        }
        Ok(project)
    }
}

/// An item of a project; of all tags.
pub(crate) struct ItemBuilder {
    repository: String,
}

impl ItemBuilder {
    pub(crate) fn new(repository: &str) -> ItemBuilder {
        ItemBuilder {
            repository: repository.to_owned(),
        }
    }

    /// Returns its id.
    pub(crate) fn make(&self, conn: &mut DbConnection, project: &Project) -> i64 {
        let options = stored(&SelectorSpec::default());
        item_create(conn, project.org_id, project.id, &self.repository, &options)
            .expect("no error")
            .expect("the item's project")
    }
}

/// A run of a project; asked for by a person, and put behind those that wait already.
#[derive(Clone)]
pub(crate) struct RunBuilder {
    org_id: i64,
    project_id: i64,
    project_label: String,
    trigger: RunTrigger,
    retry_of: Option<i64>,
    is_alone: bool,
}

impl RunBuilder {
    pub(crate) fn of(project: &Project) -> RunBuilder {
        RunBuilder {
            org_id: project.org_id,
            project_id: project.id,
            project_label: project.label.clone(),
            trigger: RunTrigger::Manual,
            retry_of: None,
            is_alone: false,
        }
    }

    pub(crate) fn trigger(mut self, trigger: RunTrigger) -> RunBuilder {
        self.trigger = trigger;
        self
    }

    /// Of what failed in an earlier run.
    pub(crate) fn retry_of(mut self, run_id: i64) -> RunBuilder {
        self.retry_of = Some(run_id);
        self
    }

    /// Refused where another run of the project waits or runs.
    pub(crate) fn alone(mut self) -> RunBuilder {
        self.is_alone = true;
        self
    }

    /// Returns its id.
    pub(crate) fn enqueue(&self, conn: &mut DbConnection) -> i64 {
        match self.try_enqueue(conn).expect("no error") {
            Enqueued::Run(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn try_enqueue(&self, conn: &mut DbConnection) -> Result<Enqueued, Error> {
        run_enqueue(conn, &self.new_run(), !self.is_alone)
    }

    /// The run that waits and would do the same.
    pub(crate) fn queued(&self, conn: &mut DbConnection) -> Result<Option<i64>, Error> {
        run_queued(conn, &self.new_run())
    }

    fn new_run(&self) -> NewRun<'_> {
        NewRun {
            org_id: self.org_id,
            project_id: self.project_id,
            project_label: &self.project_label,
            trigger: self.trigger,
            retry_of: self.retry_of,
            plan_id: None,
            force: false,
        }
    }
}
