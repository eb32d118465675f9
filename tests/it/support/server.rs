//! The program's server, as a process of its own on a free port, over SQLite in a temporary directory.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A running `registrysync serve`; it ends when dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
    files: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors only say that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one; its `admin` has the password of [`Server::password_file`].
    pub(crate) fn start() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        fs::write(files.path().join("password"), "a pass=word & more\n").expect("a file");
        let talk = File::create(files.path().join("talk.log")).expect("a file");
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("registrysync"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(files.path().join("data"))
            .arg("--admin-password-file")
            .arg(files.path().join("password"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(talk)
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it's piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let url = line
            .trim_end()
            .strip_prefix("registrysync listening on ")
            .map(str::to_owned);
        let server = Self {
            child,
            url: url.clone().unwrap_or_default(),
            files,
        };
        assert!(url.is_some(), "{line:?}: {}", server.talk());
        server
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its first line is the password of `admin`.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.files.path().join("password")
    }

    /// What it has said on standard error.
    pub(crate) fn talk(&self) -> String {
        fs::read_to_string(self.files.path().join("talk.log")).expect("its log")
    }
}
