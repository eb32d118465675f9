//! The log, for tests to examine.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::Level;
use tracing::subscriber::DefaultGuard;

/// All lines so far.
#[derive(Clone, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    /// Of this thread, on which a test's server runs: everything, including the libraries' trace
    /// level.
    pub(crate) fn begin() -> (Logged, DefaultGuard) {
        let logged = Logged::default();
        let subscriber = logged.subscriber(Level::TRACE);
        (logged, tracing::subscriber::set_default(subscriber))
    }

    /// Of all threads of this process, important lines. Each test is a process of its own.
    pub(crate) fn of_process() -> Logged {
        static LOGGED: OnceLock<Logged> = OnceLock::new();
        let logged = LOGGED.get_or_init(|| {
            let logged = Logged::default();
            let subscriber = logged.subscriber(Level::WARN);
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
            logged
        });
        logged.clone()
    }

    fn subscriber(&self, level: Level) -> impl tracing::Subscriber + Send + Sync + use<> {
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// The lines that contain this text.
    pub(crate) fn lines(&self, words: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(words));
        lines.map(str::to_owned).collect()
    }
}
