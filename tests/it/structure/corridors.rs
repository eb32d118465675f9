//! No folder has more files than one can survey.

use std::collections::BTreeMap;

use super::sources::{Source, sources};

/// Files of a folder, besides its map.
const MOST: usize = 12;

/// The folders with too many files whose maps don't declare an exception.
fn too_long(sources: &[Source]) -> Vec<String> {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_map()) {
        let folder = source
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        *folders.entry(folder).or_default() += 1;
    }
    let is_exception = |folder: &str| {
        let map = sources
            .iter()
            .filter(|source| source.is_map() && source.module.join("/") == folder);
        map.flat_map(|source| source.text.lines())
            .any(|line| line.starts_with("//!") && line.contains("exception"))
    };
    folders
        .into_iter()
        .filter(|(folder, count)| *count > MOST && !is_exception(folder))
        .map(|(folder, count)| format!("src/{folder}: {count} files"))
        .collect()
}

#[test]
fn no_folder_has_more_than_twelve_files() {
    let too_long = too_long(&sources());
    assert_eq!(
        too_long,
        Vec::<String>::new(),
        "divide it, or say in its map why it is an exception"
    );
}

#[test]
fn an_exception_stands_in_the_map() {
    let folder = |count: usize, map: &str| {
        let files = (0..count).map(|number| Source::new(&format!("a/f{number}.rs"), ""));
        let map = Source::new("a/mod.rs", map);
        too_long(&files.chain([map]).collect::<Vec<_>>())
    };
    assert_eq!(folder(12, ""), Vec::<String>::new());
    assert_eq!(folder(13, "//! A list."), ["src/a: 13 files"]);
    let reason = "//! An exception to the rule: one file for each clause.";
    assert_eq!(folder(13, reason), Vec::<String>::new());
}
