//! The first comment of each folder explains each of its modules.

use super::sources::{Source, sources};

/// The modules that a file declares and doesn't name in its first comment, apart from its tests.
fn lacking(source: &Source) -> Vec<String> {
    let map: Vec<&str> = source
        .text
        .lines()
        .filter(|line| line.starts_with("//!"))
        .collect();
    let map = map.join("\n");
    let is_named = |module: &str| {
        let quoted = map.split('`').skip(1).step_by(2);
        // `mod@` says which one of several things of that name is meant.
        let mut named = quoted.flat_map(|quoted| quoted.trim_start_matches("mod@").split("::"));
        named.any(|name| name == module)
    };
    let lacking = modules(source).filter(|module| !is_named(module));
    lacking
        .map(|module| format!("{}: `{module}`", source.path))
        .collect()
}

fn modules(source: &Source) -> impl Iterator<Item = String> {
    let declared = source.declared().map(|(name, _)| name);
    declared.filter(|name| name != "tests")
}

#[test]
fn every_module_stands_in_the_map_of_its_folder() {
    let sources = sources();
    let seen = sources.iter().flat_map(modules).count();
    assert!(seen > 200, "{seen}");
    let lacking: Vec<String> = sources.iter().flat_map(lacking).collect();
    assert_eq!(lacking, Vec::<String>::new(), "not in the map");
}

#[test]
fn a_module_without_a_word_is_found() {
    let text = "//! - `a`: one. [`super::b`], [`mod@f`]: two.\nmod a;\npub mod b;\npub mod f;\npub(super) mod c;\nmod tests;\n// mod d;\nmod e {}\n";
    assert_eq!(lacking(&Source::new("x/mod.rs", text)), ["x/mod.rs: `c`"]);
}
