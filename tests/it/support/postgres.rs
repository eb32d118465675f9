//! One PostgreSQL server for all tests of a run, from the distribution's binaries.
//!
//! The tests run as many processes, so they share the server through a directory:
//! - A process that needs the server takes a shared lock on `users` and holds it until it ends; the
//!   kernel releases it, however the process dies.
//! - Under the exclusive lock on `start`, the first one creates the cluster and starts a watchdog (a
//!   shell), whose child the server is.
//! - The watchdog ends the server once nobody has held `users` for a few seconds. It does that under
//!   the exclusive lock on `users`, so that nobody can connect to a server that is being stopped.
//!
//! A test that stops and restarts its server has one of its own ([`OwnServer`]).
//!
//! A server only listens on a socket in its directory, isn't crash-safe (`fsync=off`), and runs as an
//! unprivileged user if the tests run as root, which it refuses.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::tools;

/// The role that owns the cluster.
const ROLE: &str = "registrysync";

/// How long a cluster may take to accept connections, on a busy machine.
const START_WAIT: Duration = Duration::from_mins(1);

/// `$1`: directory, `$2…`: the server's command line. Goes to the background at once, and ends with
/// the server.
const WATCHDOG: &str = r#"
dir=$1; shift
(
exec 9>>"$dir/users"
"$@" >"$dir/server.log" 2>&1 9>&- &
server=$!
idle=0
while kill -0 "$server" 2>/dev/null; do
    sleep 1
    if flock -n -x 9; then
        idle=$((idle + 1))
        if [ "$idle" -ge 5 ]; then
            kill -INT "$server"
            wait "$server"
            break
        fi
        flock -u 9
    else
        idle=0
    fi
done
rm -rf "$dir/ready" "$dir/data"
) &
"#;

/// A running server, as long as this process lives.
pub(crate) struct Server {
    socket_dir: PathBuf,
    _users: File,
}

impl Server {
    /// The shared server; `None`, with a message, if the binaries are missing and that is allowed.
    pub(crate) fn shared() -> Option<&'static Server> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        SERVER
            .get_or_init(|| Some(Server::join(&binaries_or_skip()?)))
            .as_ref()
    }

    /// The URL of a database on this server.
    pub(crate) fn url(&self, database: &str) -> String {
        url(&self.socket_dir, database)
    }

    fn join(bin: &Path) -> Server {
        let owner = Owner::of_server();
        let dir = shared_dir();
        fs::create_dir_all(&dir).expect("the server's directory");
        owner.chown(&dir);
        let start = lock_file(&dir.join("start"));
        start.lock().expect("the lock on `start`");
        let users = lock_file(&dir.join("users"));
        users.lock_shared().expect("the lock on `users`");
        let server = Server {
            socket_dir: dir.clone(),
            _users: users,
        };
        // `ready` without a server is left if someone killed the watchdog.
        if !dir.join("ready").exists() || try_connect(&dir).is_err() {
            cluster_make(bin, &dir, &owner);
            watchdog_start(bin, &dir, &owner);
            wait(&dir, &url(&dir, "postgres"));
            fs::write(dir.join("ready"), "").expect("the file `ready`");
        }
        server
    }
}

/// A server of one test, which may stop and restart it.
pub(crate) struct OwnServer {
    bin: PathBuf,
    dir: tempfile::TempDir,
    owner: Owner,
    child: Option<Child>,
    /// Settings besides the usual ones, `name=value`.
    further: Vec<String>,
}

impl OwnServer {
    /// A server that runs; `None` as with [`Server::shared`].
    pub(crate) fn start() -> Option<OwnServer> {
        OwnServer::start_with(|_| Vec::new())
    }

    /// The same with further settings, returned by `prepare`, which may write files to the server's
    /// directory; they then belong to the server. A `pg_hba.conf` there replaces its own.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Option<OwnServer> {
        let bin = binaries_or_skip()?;
        let dir = tempfile::Builder::new().prefix("rs-pg-").tempdir();
        let dir = dir.expect("a temporary directory");
        let owner = Owner::of_server();
        owner.chown(dir.path());
        cluster_make(&bin, dir.path(), &owner);
        let mut further = prepare(dir.path());
        for file in fs::read_dir(dir.path()).expect("the directory") {
            owner.chown(&file.expect("a file").path());
        }
        let hba = dir.path().join("pg_hba.conf");
        if hba.exists() {
            further.push(format!("hba_file={}", hba.display()));
        }
        let mut server = OwnServer {
            bin,
            dir,
            owner,
            child: None,
            further,
        };
        server.start_again();
        Some(server)
    }

    /// The URL of its only database.
    pub(crate) fn url(&self) -> String {
        format!("{}&port={}", url(self.dir.path(), "postgres"), self.port())
    }

    fn port(&self) -> &str {
        let mut ports = self
            .further
            .iter()
            .filter_map(|one| one.strip_prefix("port="));
        ports.next().unwrap_or("5432")
    }

    /// Stops it, and so all its connections.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            let told = Command::new("kill").args(["-INT", &pid]).status();
            assert!(told.expect("`kill`").success());
            child.wait().expect("its end");
        }
    }

    /// Restarts it with its existing data.
    pub(crate) fn start_again(&mut self) {
        let log = File::create(self.dir.path().join("server.log")).expect("a log file");
        let mut line = server_line(&self.bin, self.dir.path(), &self.owner);
        for one in &self.further {
            line.extend(["-c".to_owned(), one.clone()]);
        }
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.stderr(log).spawn().expect("a server"));
        wait(self.dir.path(), &self.url());
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The URL of a database of the server whose socket is in `dir`.
fn url(dir: &Path, database: &str) -> String {
    let host = dir.to_str().expect("a UTF-8 path").replace('/', "%2F");
    format!("postgres:///{database}?host={host}&user={ROLE}")
}

fn try_connect(dir: &Path) -> diesel::ConnectionResult<diesel::PgConnection> {
    diesel::Connection::establish(&url(dir, "postgres"))
}

fn wait(dir: &Path, url: &str) {
    let deadline = Instant::now() + START_WAIT;
    while let Err(error) = <diesel::PgConnection as diesel::Connection>::establish(url) {
        let log = fs::read_to_string(dir.join("server.log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "no PostgreSQL: {error}\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn binaries_or_skip() -> Option<PathBuf> {
    let found = binaries();
    tools::found(
        found.is_some(),
        "PostgreSQL isn't installed (initdb, postgres)",
    );
    found
}

/// Debian's directory of the newest version, else the PATH.
fn binaries() -> Option<PathBuf> {
    let mut dirs: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    dirs.sort();
    dirs.reverse();
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH")?));
    dirs.into_iter()
        .find(|dir| dir.join("initdb").exists() && dir.join("postgres").exists())
}

/// Short, since a socket's path has at most 107 bytes; one per user and build directory.
fn shared_dir() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_TARGET_TMPDIR").hash(&mut hasher);
    let name = format!("rs-pg-{}-{:016x}", user_id(), hasher.finish());
    std::env::temp_dir().join(name)
}

fn user_id() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}

fn lock_file(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    options.open(path).expect("a lock file")
}

/// The server's user, if it isn't ours.
struct Owner(Option<(u32, u32)>);

impl Owner {
    fn of_server() -> Owner {
        if user_id() != 0 {
            return Owner(None);
        }
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let find = |name: &str| {
            users.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let ids = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
                (fields[0] == name).then_some(ids)
            })
        };
        Owner(find("postgres").or_else(|| find("nobody")))
    }

    fn chown(&self, path: &Path) {
        if let Owner(Some((user, group))) = self {
            std::os::unix::fs::chown(path, Some(*user), Some(*group)).expect("chown");
        }
    }

    /// The command line that runs `program` as the owner.
    fn command(&self, program: &Path) -> Vec<String> {
        let mut line = Vec::new();
        if let Owner(Some((user, group))) = self {
            line.extend([
                "setpriv".to_owned(),
                format!("--reuid={user}"),
                format!("--regid={group}"),
                "--clear-groups".to_owned(),
            ]);
        }
        line.push(program.display().to_string());
        line
    }
}

fn cluster_make(bin: &Path, dir: &Path, owner: &Owner) {
    let data = dir.join("data");
    let _ = fs::remove_dir_all(&data);
    let line = owner.command(&bin.join("initdb"));
    let output = Command::new(&line[0])
        .args(&line[1..])
        .arg("--pgdata")
        .arg(&data)
        .args(["--username", ROLE, "--auth", "trust", "--encoding", "UTF8"])
        .args(["--no-locale", "--no-sync"])
        .current_dir(dir)
        .output()
        .expect("initdb starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {said}");
}

/// The server's command line.
fn server_line(bin: &Path, dir: &Path, owner: &Owner) -> Vec<String> {
    let settings = [
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", dir.display()),
        "fsync=off".to_owned(),
        "synchronous_commit=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "max_connections=300".to_owned(),
        "shared_buffers=32MB".to_owned(),
    ];
    let mut line = owner.command(&bin.join("postgres"));
    line.extend(["-D".to_owned(), dir.join("data").display().to_string()]);
    line.extend(settings.into_iter().flat_map(|one| ["-c".to_owned(), one]));
    line
}

fn watchdog_start(bin: &Path, dir: &Path, owner: &Owner) {
    // In its own process group: a Ctrl-C at the terminal ends the tests, and the server with them.
    let started = Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(dir)
        .args(server_line(bin, dir, owner))
        .current_dir(dir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("a shell");
    assert!(started.success(), "the watchdog: {started}");
}
