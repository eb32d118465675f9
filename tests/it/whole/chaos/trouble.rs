//! Nothing dies, but nothing is reliable either: the database falls silent, loses the answers to
//! COMMITs, is full or unreachable; a registry lists tags that no database can store. Afterwards
//! nothing is stuck.
//!
//! `REGISTRYSYNC_CHAOS_TROUBLES` sets how often (default 8), `REGISTRYSYNC_CHAOS_FULL` for how many
//! seconds the disk is full (default 8); `tests/full` uses 100 and 300.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use registrysync::store::{Db, SealKey};

use super::super::server::{Server, Worker};
use super::world::{Random, World};
use super::{check, environment, setting};
use crate::support::database::TestDatabase;
use crate::support::postgres_proxy::Proxy;
use crate::support::tools::skipped;

const TROUBLES: u64 = 8;
const FULL_SECONDS: u64 = 8;
/// The size of a disk that is soon full: this test's database needs less than half of it.
const DISK: &str = "size=24m";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_and_loses_answers_leaves_nothing_stuck() {
    let (Some(world), Some(database)) = (World::new().await, TestDatabase::postgres()) else {
        return;
    };
    let proxy = Proxy::start(&database).await;
    let mut of_server = environment(Some(&proxy.url));
    of_server.push(("REGISTRYSYNC_NO_WORKER", "true".to_owned()));
    let server = Server::with_environment(of_server);
    let worker = || Worker::start(&server, &proxy.url, environment(None));
    let _workers = [worker(), worker()];
    let session = server.login().await;
    world.projects_make(&session).await;
    let mut random = Random(setting("REGISTRYSYNC_CHAOS_SEED", 1));
    let mover = world.tags_move(random.next());
    for number in 0..setting("REGISTRYSYNC_CHAOS_TROUBLES", TROUBLES) {
        match number % 4 {
            0 => proxy.freeze(),
            // New connections fail as well, for longer than a lease.
            1 => {
                proxy.mute(true);
                proxy.freeze();
                tokio::time::sleep(Duration::from_secs(4)).await;
                proxy.mute(false);
            }
            _ => proxy.commit_cut(""),
        }
        tokio::time::sleep(Duration::from_millis(500 + random.below(2000))).await;
    }
    mover.stop().await;
    check::all_projects_are_done_anew(&database).await;
    world.projects_disable(&server.login().await).await;
    check::queue_drains(&database).await;
    println!("{}", check::every_run_has_ended_well(&database).await);
    world.target_is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_and_a_file_that_is_gone_leave_nothing_stuck() {
    let (Some(disk), Some(world)) = (Disk::mount(), World::new().await) else {
        return;
    };
    let file = disk.path().join("registrysync.db");
    let url = format!("sqlite:{}", file.display());
    let server = Server::with_environment(environment(Some(&url)));
    world.projects_make(&server.login().await).await;
    let mover = world.tags_move(setting("REGISTRYSYNC_CHAOS_SEED", 1));
    tokio::time::sleep(Duration::from_secs(3)).await;

    disk.fill();
    let full = setting("REGISTRYSYNC_CHAOS_FULL", FULL_SECONDS);
    tokio::time::sleep(Duration::from_secs(full)).await;
    a_login_is_refused_for(&server, "full").await;
    disk.free();

    let away = disk.path().join("away.db");
    fs::rename(&file, &away).expect("moved");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!file.exists(), "an empty database in its place");
    fs::rename(&away, &file).expect("moved back");

    mover.stop().await;
    let key = SealKey::from_file(&server.data("secret.key")).expect("the key");
    let db = Db::open(&url, key).expect("the database");
    check::all_projects_are_done_anew(&db).await;
    world.projects_disable(&server.login().await).await;
    check::queue_drains(&db).await;
    println!("{}", check::every_run_has_ended(&db).await);
    drop(server);
    world.target_is_whole().await;
}

/// A log that SQLite has just emptied accepts some more writes, whatever space the disk has left,
/// so the first login may succeed.
async fn a_login_is_refused_for(server: &Server, reason: &str) {
    for _ in 0..100 {
        if let Err(refused) = server.try_login().await {
            assert!(refused.contains(reason), "{refused}");
            return;
        }
    }
    panic!("100 logins were written to a disk that is full");
}

/// A small file system in memory; mounting it requires root.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, with a message, if it can't be mounted.
    fn mount() -> Option<Disk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", DISK, "none"]);
        match mount.arg(dir.path()).output() {
            Ok(ended) if ended.status.success() => Some(Disk(dir)),
            tried => {
                skipped(&format!("a small disk can't be mounted: {tried:?}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Leaves no byte.
    fn fill(&self) {
        let zeros = fs::File::open("/dev/zero").expect("zeros");
        let mut filler = fs::File::create(self.filler()).expect("a file");
        let full = std::io::copy(&mut &zeros, &mut filler).expect_err("it is full");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("the file");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // `-l`: processes with open files there keep them.
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
