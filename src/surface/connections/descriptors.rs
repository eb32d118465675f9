//! The limit of open files and connections of this process.

/// Reserved for files, the database and registries.
const RESERVED: usize = 128;
/// The lowest limit that is expected of a system.
const LEAST: usize = 256;

/// Raises the limit as far as the system allows, and returns how many connections fit into it.
pub fn connections_max() -> usize {
    raised().saturating_sub(RESERVED).max(LEAST - RESERVED)
}

#[cfg(unix)]
fn raised() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    current.map_or(usize::MAX, |count| {
        usize::try_from(count).unwrap_or(usize::MAX)
    })
}

#[cfg(not(unix))]
fn raised() -> usize {
    usize::MAX
}
