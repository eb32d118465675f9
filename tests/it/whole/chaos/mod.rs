//! Processes are killed at random while projects run on a tight schedule between real registries whose
//! tags move; afterwards no due run is missing or duplicated, and the target is complete.
//!
//! - `world`: the registries, the projects, and the moving tags.
//! - `check`: what must hold in the end.
//! - `trouble`: the same projects without kills, but with an unreliable database.
//!
//! `REGISTRYSYNC_CHAOS_KILLS` sets how often (default 12; `tests/full` uses 200), and
//! `REGISTRYSYNC_CHAOS_SEED` the order.

mod check;
mod trouble;
mod world;

use std::time::Duration;

use registrysync::store::Db;

use super::server::{Server, Worker};
use crate::support::database::TestDatabase;
use world::{Random, World};

const KILLS: u64 = 12;
const WORKERS: usize = 3;

/// A process that may be killed.
enum Node {
    Server(Server),
    Worker(Worker),
}

impl Node {
    fn kill_and_restart(&mut self) {
        match self {
            Self::Server(server) => server.kill_and_restart(),
            Self::Worker(worker) => worker.kill_and_restart(),
        }
    }
}

fn environment(database: Option<&str>) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("REGISTRYSYNC_LEASE_SECONDS", "3".to_owned()),
        ("REGISTRYSYNC_ATTEMPTS", "100".to_owned()),
        ("RUST_LOG", "error".to_owned()),
    ];
    if let Some(url) = database {
        environment.push(("REGISTRYSYNC_DATABASE", url.to_owned()));
    }
    environment
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_sqlite_is_killed_again_and_again() {
    let Some(world) = World::new().await else {
        return;
    };
    let server = Server::with_environment(environment(None));
    let db = server.sqlite();
    torment(world, &db, vec![Node::Server(server)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_three_workers_on_postgres_are_killed_at_random() {
    let (Some(world), Some(database)) = (World::new().await, TestDatabase::postgres()) else {
        return;
    };
    let mut of_server = environment(Some(&database.url));
    of_server.push(("REGISTRYSYNC_NO_WORKER", "true".to_owned()));
    let server = Server::with_environment(of_server);
    let worker = |_| Worker::start(&server, &database.url, environment(None));
    let workers: Vec<Worker> = (0..WORKERS).map(worker).collect();
    let mut nodes = vec![Node::Server(server)];
    nodes.extend(workers.into_iter().map(Node::Worker));
    torment(world, &database, nodes).await;
}

/// Kills at random, lets everything finish, and checks the result. The first node is the server.
async fn torment(world: World, db: &Db, mut nodes: Vec<Node>) {
    let (kills, seed) = (
        setting("REGISTRYSYNC_CHAOS_KILLS", KILLS),
        setting("REGISTRYSYNC_CHAOS_SEED", 1),
    );
    let Node::Server(server) = &nodes[0] else {
        panic!("the first node is the server");
    };
    world.projects_make(&server.login().await).await;
    let mut random = Random(seed);
    let mover = world.tags_move(random.next());
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(100 + random.below(800))).await;
        let at = usize::try_from(random.below(nodes.len() as u64)).unwrap();
        tokio::task::block_in_place(|| nodes[at].kill_and_restart());
    }
    mover.stop().await;
    check::all_projects_are_done_anew(db).await;
    let Node::Server(server) = &nodes[0] else {
        unreachable!("checked above");
    };
    world.projects_disable(&server.login().await).await;
    check::queue_drains(db).await;
    let told = check::nothing_is_missing_or_doubled(db).await;
    drop(nodes);
    world.target_is_whole().await;
    println!("{kills} kills, seed {seed}: {told}");
}
