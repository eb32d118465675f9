//! How the sources are laid out: read from them, so that a wrong direction fails a test and not a review.
//!
//! - `sources`: the files as modules, and the paths that each of them names.
//! - `directions`: which part may use which.
//! - `circles`: no file uses another one that uses it in turn, however far around.
//! - `maps`: each folder says what is in it.
//! - `corridors`: no folder has more files than one looks through.

mod circles;
mod corridors;
mod directions;
mod maps;
mod sources;
