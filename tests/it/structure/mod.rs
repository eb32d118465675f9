//! The layout of the sources, checked from the sources themselves, so that a wrong dependency fails a
//! test instead of a review.
//!
//! - `sources`: the files as modules, and the paths that each of them names.
//! - `directions`: which part may use which.
//! - `circles`: no file uses another one that directly or indirectly uses it.
//! - `maps`: each folder explains its content.
//! - `corridors`: no folder has more files than one can survey.

mod circles;
mod corridors;
mod directions;
mod maps;
mod sources;
