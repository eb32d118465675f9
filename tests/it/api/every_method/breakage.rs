//! The database fails during a change: the whole change is undone (row 14).

use registrysync::api::error::code;

use super::world::{Outcome, World};
use super::{Subject, sweep};
use crate::support::database::TestDatabase;

/// Methods that JSON calls by POST, but that change no table when called as here.
const HARMLESS: [&str; 5] = [
    "auth.checkAuthToken",
    "auth.isSessionKeyValid",
    "auth.logout",
    "registrysync.testNotification",
    "system.multicall",
];

/// Deletes in steps, so that others can write: an interrupted deletion continues when it is
/// requested again.
const IN_STEPS: [&str; 3] = [
    "image.sync.deleteProject",
    "org.delete",
    "registrysync.delete",
];

/// Calls methods that change something while each table in turn can't be written.
async fn broken(world: &World, subject: &Subject<'_>) {
    if subject.method.is_read_only() {
        return;
    }
    let params = subject.params(world, &subject.fitting);
    let name = &subject.name;
    let is_harmless = HARMLESS.contains(&name.as_str());
    let mut faults = 0;
    for table in world.tables.names() {
        world.tables.writes_break(table).await;
        let mut outcome = world.xml(&subject.name, params.clone()).await;
        world.tables.writes_work().await;
        // Calls that write nothing may be refused for another reason.
        if let (Outcome::Fault(code, message), false) = (&outcome, is_harmless) {
            let expected = "unhandled internal exception: ";
            assert!(message.starts_with(expected), "{name}: {message}");
            assert_eq!(*code, Some(code::GENERAL.into()), "{name}");
            faults += 1;
            if IN_STEPS.contains(&name.as_str()) {
                outcome = world.xml(&subject.name, params.clone()).await;
                assert_eq!(outcome, Outcome::Result, "{name} doesn't go on");
            }
        }
        let call = format!("{} without {table}", subject.name);
        world.judge_change(&call, false, &outcome).await;
    }
    assert!(faults > 0 || is_harmless, "{name} writes nothing");
}

#[tokio::test]
async fn a_change_that_fails_in_the_middle_is_undone() {
    let world = World::new(TestDatabase::sqlite()).await;
    sweep(&world, |_| true, broken).await;
}
