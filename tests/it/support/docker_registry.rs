//! The distribution's real `docker-registry` on a free port, with its files in a temporary directory
//! and its access log parsed into the same [`Requests`] as the test registry's; and [`AnyRegistry`] for
//! what has to hold on both.

use std::{
    fs::{self, File},
    io,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    images::client,
    registry::{
        Registry,
        log::{Request, Requests},
    },
    tools,
};

/// Polls whether it responds: every 50 ms, for 15 s.
const LOOKS: usize = 300;

/// A running `docker-registry`; it ends on drop.
pub(crate) struct DockerRegistry {
    child: Child,
    address: String,
    files: TempDir,
    /// Log lines that came before [`DockerRegistry::requests_clear`].
    lines_before: AtomicUsize,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // An error only means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DockerRegistry {
    /// Starts one. `None` if it isn't installed, which is a failure in CI (`CI=true`).
    pub(crate) async fn start() -> Option<Self> {
        Self::start_at("127.0.0.1:0").await
    }

    /// Starts one at `IP:PORT`; port 0 picks a free one. `None` as with [`DockerRegistry::start`],
    /// and if the port isn't available.
    pub(crate) async fn start_at(listen: &str) -> Option<Self> {
        // Another process may take the free port first.
        for _ in 0..5 {
            let mut started = match Self::spawn(listen) {
                Ok(started) => started,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tools::found(false, "`docker-registry` isn't installed");
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    tools::skipped(&format!("`{listen}` may not be listened at"));
                    return None;
                }
                Err(error) => panic!("couldn't start `docker-registry`: {error}"),
            };
            match started.ended_before_answering().await {
                None => return Some(started),
                Some(status) => eprintln!("`docker-registry` ended with {status}; trying again"),
            }
        }
        panic!("`docker-registry` doesn't start");
    }

    fn spawn(listen: &str) -> io::Result<Self> {
        let files = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind(listen)?
            .local_addr()?
            .to_string();
        let data = files.path().join("data");
        let config = files.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nhttp:\n  addr: {address}\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  delete:\n    enabled: true\n",
            data.display()
        );
        fs::write(&config, text)?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(File::create(files.path().join("access.log"))?)
            .stderr(File::create(files.path().join("error.log"))?)
            .spawn()?;
        Ok(Self {
            child,
            address,
            files,
            lines_before: AtomicUsize::new(0),
        })
    }

    /// Waits until it responds; returns its exit status if it ends instead.
    async fn ended_before_answering(&mut self) -> Option<ExitStatus> {
        let client = client();
        for _ in 0..LOOKS {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return Some(status);
            }
            let url = format!("http://{}/v2/", self.address);
            if client
                .get(url)
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 200)
            {
                self.requests_clear();
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = fs::read_to_string(self.files.path().join("error.log"));
        panic!(
            "`docker-registry` doesn't answer at {}: {log:?}",
            self.address
        );
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn log_lines(&self) -> Vec<String> {
        let log = fs::read_to_string(self.files.path().join("access.log"));
        let log = log.expect("the access log");
        // An incomplete last line is still being written.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let requests = whole.lines().filter(|line| line.contains(" HTTP/1.1\" "));
        requests.map(str::to_owned).collect()
    }

    /// All requests since the start or the last clearing. It waits for the log to catch up with the
    /// answered requests: its own last request shows that. Received bytes and `Authorization`
    /// aren't in the log.
    pub(crate) async fn requests(&self) -> Requests {
        let marker = format!("/v2/?marker={}", self.log_lines().len());
        let url = format!("http://{}{marker}", self.address);
        client().get(url).send().await.expect("an answer");
        for _ in 0..LOOKS {
            let lines = self.log_lines();
            if lines.iter().any(|line| line.contains(&marker)) {
                let lines = lines.iter().skip(self.lines_before.load(Relaxed));
                let requests = lines.filter(|line| !line.contains("/v2/?marker="));
                return Requests(requests.filter_map(|line| request(line)).collect());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the access log of `docker-registry` doesn't grow");
    }

    pub(crate) fn requests_clear(&self) {
        self.lines_before.store(self.log_lines().len(), Relaxed);
    }
}

/// Parses a line of the combined log format: `HOST - - [DATE] "METHOD TARGET HTTP/1.1" STATUS BYTES
/// "" "AGENT"`.
fn request(line: &str) -> Option<Request> {
    let mut parts = line.split('"').skip(1);
    let mut asked = parts.next()?.split(' ');
    let (method, target) = (asked.next()?, asked.next()?);
    let mut answered = parts.next()?.split_whitespace();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        has_authorization: false,
        status: answered.next()?.parse().ok()?,
        bytes_in: 0,
        bytes_out: answered.next()?.parse().ok()?,
    })
}

/// Either kind of registry, without authentication.
pub(crate) enum AnyRegistry {
    InProcess(Registry),
    Docker(DockerRegistry),
}

impl AnyRegistry {
    /// A new one of each available kind.
    pub(crate) async fn each() -> Vec<Self> {
        let mut each = vec![Self::InProcess(Registry::start().await)];
        each.extend(DockerRegistry::start().await.map(Self::Docker));
        each
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::InProcess(registry) => registry.address(),
            Self::Docker(registry) => registry.address(),
        }
    }

    pub(crate) async fn requests(&self) -> Requests {
        match self {
            Self::InProcess(registry) => registry.requests(),
            Self::Docker(registry) => registry.requests().await,
        }
    }

    pub(crate) fn requests_clear(&self) {
        match self {
            Self::InProcess(registry) => registry.requests_clear(),
            Self::Docker(registry) => registry.requests_clear(),
        }
    }
}
