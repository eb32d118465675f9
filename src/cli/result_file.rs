//! A file for a result, which appears once it is complete.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::CliError;
use crate::private_file::Draft;

/// Like other files; the user's mask is applied.
const MODE: u32 = 0o666;

/// The path that means standard output.
pub(super) const STDOUT: &str = "-";

/// Prints whole lines.
pub(super) type Printer = fn(&str);

/// A file that a flag names, or standard output.
pub(super) struct ResultFile {
    flag: &'static str,
    path: PathBuf,
    place: Place,
}

enum Place {
    File(BufWriter<Draft>),
    Stdout { print: Printer, begun: Vec<u8> },
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(draft) => draft.write(bytes),
            Self::Stdout { print, begun } => {
                begun.extend_from_slice(bytes);
                if let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') {
                    let rest = begun.split_off(end + 1);
                    print(&String::from_utf8_lossy(begun));
                    *begun = rest;
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(draft) => draft.flush(),
            Self::Stdout { .. } => Ok(()),
        }
    }
}

impl ResultFile {
    /// Begins it, so that a path that can't be written is noticed before the work.
    pub(super) fn begin(flag: &'static str, path: impl AsRef<Path>) -> Result<Self, CliError> {
        let path = path.as_ref().to_owned();
        let refused = |why: &dyn Display| {
            CliError::Input(format!(
                "`{flag}`: `{}` can't be written: {why}; give the path of a file in a directory \
                 that you may write to",
                path.display()
            ))
        };
        // A device would be replaced, not written to.
        if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file()) {
            return Err(refused(&"it isn't a regular file"));
        }
        let draft = Draft::begin(&path, MODE).map_err(|error| refused(&error))?;
        Ok(Self {
            flag,
            place: Place::File(BufWriter::new(draft)),
            path,
        })
    }

    /// The same, or standard output, whose lines are printed by `print`.
    pub(super) fn begin_or_print(
        flag: &'static str,
        path: &Path,
        print: Printer,
    ) -> Result<Self, CliError> {
        if path != Path::new(STDOUT) {
            return Self::begin(flag, path);
        }
        Ok(Self {
            flag,
            place: Place::Stdout {
                print,
                begun: Vec::new(),
            },
            path: path.to_owned(),
        })
    }

    /// Writes more of it.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        write(&mut self.place).map_err(|error| lost(self.flag, &self.path, &error))
    }

    /// Puts it in its place.
    pub(super) fn finish(self) -> Result<(), CliError> {
        self.finish_with(Draft::finish)
    }

    /// The same, unless something is there.
    pub(super) fn finish_new(self) -> Result<(), CliError> {
        self.finish_with(Draft::finish_new)
    }

    fn finish_with(self, finish: fn(Draft) -> io::Result<()>) -> Result<(), CliError> {
        let Place::File(draft) = self.place else {
            return Ok(());
        };
        let written = draft.into_inner().map_err(io::IntoInnerError::into_error);
        let finished = written.and_then(finish);
        finished.map_err(|error| lost(self.flag, &self.path, &error))
    }
}

fn lost(flag: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "`{flag}`: `{}` wasn't written: {error}; an earlier file there is unchanged",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::ResultFile;
    use std::fs;

    #[test]
    fn the_file_appears_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "before").unwrap();
        let begun = || {
            let mut file = ResultFile::begin("--output", &path).unwrap_or_else(|_| panic!());
            let written = file.write(|file| file.write_all(b"after"));
            assert!(written.is_ok());
            file
        };
        drop(begun());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert!(begun().finish().is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), &dir.path().join("none/file")] {
            assert!(ResultFile::begin("--output", path).is_err());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
