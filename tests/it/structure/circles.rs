//! No file uses another one that directly or indirectly uses it: each can be understood and changed
//! after those below it.
//!
//! The maps of folders (`mod.rs`, `lib.rs`) don't count: an import through one uses the file that it
//! comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::sources::{Names, Source, rooted, sources};

/// For each file, the files that it uses, and what of them.
type Uses = BTreeMap<Names, BTreeMap<Names, BTreeSet<String>>>;

/// The files by their modules, and what maps re-export.
struct Modules<'a> {
    sources: BTreeMap<Names, &'a Source>,
    bound: BTreeMap<Names, BTreeMap<String, Vec<(Names, Names)>>>,
}

impl<'a> Modules<'a> {
    fn new(sources: &'a [Source]) -> Modules<'a> {
        let tests: BTreeSet<Names> = sources
            .iter()
            .flat_map(|source| {
                let of_tests = source.declared().filter(|(_, is_for_tests)| *is_for_tests);
                of_tests.map(|(name, _)| [source.module.as_slice(), &[name]].concat())
            })
            .collect();
        let sources: BTreeMap<Names, &Source> = sources
            .iter()
            .filter(|source| !tests.contains(&source.module))
            .map(|source| (source.module.clone(), source))
            .collect();
        let mut bound: BTreeMap<Names, BTreeMap<String, Vec<(Names, Names)>>> = BTreeMap::new();
        for (module, source) in &sources {
            let names = bound.entry(module.clone()).or_default();
            for (name, path) in source.paths(false).bound {
                assert!(
                    name != "*" || !source.is_map(),
                    "{}: what `*` stands for can't be told",
                    source.path
                );
                let of_name = names.entry(name).or_default();
                of_name.push((path.module, path.names));
            }
        }
        Modules { sources, bound }
    }

    /// Where a path in `module` of the file `file` leads; `None`: out of this crate.
    fn absolute(
        &self,
        file: &[String],
        module: &[String],
        names: &[String],
        depth: usize,
    ) -> Option<Names> {
        if let Some(found) = rooted(module, names) {
            return Some(found);
        }
        let (first, rest) = names.split_first()?;
        let child = [module, std::slice::from_ref(first)].concat();
        if self.sources.contains_key(&child) {
            return Some([child.as_slice(), rest].concat());
        }
        // An imported name: of several in different scopes, the first one.
        let (module, path) = self.bound.get(file)?.get(first)?.first()?;
        let further = depth.checked_sub(1)?;
        let found = self.absolute(file, module, path, further)?;
        Some([found.as_slice(), rest].concat())
    }

    /// The file that has the item at the path, and its name there.
    fn home(&self, path: &[String], depth: usize) -> Option<(Names, String)> {
        let length = (0..=path.len())
            .rev()
            .find(|length| self.sources.contains_key(&path[..*length]))?;
        let module = &path[..length];
        let Some(name) = path.get(length) else {
            return Some((module.to_vec(), module.last()?.clone()));
        };
        let handed_on = || {
            let is_map = self.sources.get(module)?.is_map();
            let (scope, names) = self
                .bound
                .get(module)
                .filter(|_| is_map)?
                .get(name)?
                .first()?;
            let found = self.absolute(module, scope, names, depth)?;
            let found = [found.as_slice(), &path[length + 1..]].concat();
            self.home(&found, depth.checked_sub(1)?)
        };
        Some(handed_on().unwrap_or_else(|| (module.to_vec(), name.clone())))
    }
}

/// Which files use which, without maps.
fn uses(sources: &[Source]) -> Uses {
    const DEPTH: usize = 8;
    let modules = Modules::new(sources);
    let is_file = |module: &Names| modules.sources.get(module).is_some_and(|s| !s.is_map());
    let files = modules.sources.values().filter(|source| !source.is_map());
    files
        .map(|source| {
            let mut used: BTreeMap<Names, BTreeSet<String>> = BTreeMap::new();
            for path in source.paths(false).named {
                let found = modules.absolute(&source.module, &path.module, &path.names, DEPTH);
                let Some((home, name)) = found.and_then(|found| modules.home(&found, DEPTH)) else {
                    continue;
                };
                if home != source.module && is_file(&home) {
                    used.entry(home).or_default().insert(name);
                }
            }
            (source.module.clone(), used)
        })
        .collect()
}

/// What can be reached from a file.
fn reached<'a>(uses: &'a Uses, from: &'a Names) -> BTreeSet<&'a Names> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Names> = uses[from].keys().collect();
    while let Some(file) = open.pop() {
        if found.insert(file) {
            open.extend(uses[file].keys());
        }
    }
    found
}

/// The circles, each with its edges and their reasons.
fn circles(uses: &Uses) -> Vec<String> {
    let reached: BTreeMap<&Names, BTreeSet<&Names>> = uses
        .keys()
        .map(|file| (file, reached(uses, file)))
        .collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for (file, ahead) in &reached {
        if told.contains(file) || !ahead.contains(file) {
            continue;
        }
        let circle: BTreeSet<&Names> = ahead
            .iter()
            .copied()
            .filter(|other| reached[other].contains(file))
            .collect();
        let mut text = format!("a circle of {} files:", circle.len());
        for from in &circle {
            for (to, names) in uses[*from].iter().filter(|(to, _)| circle.contains(to)) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let (from, to) = (from.join("/"), to.join("/"));
                let _ = write!(text, "\n  {from}.rs uses {to}.rs: {}", names.join(", "));
            }
        }
        circles.push(text);
        told.extend(circle);
    }
    circles
}

#[test]
fn no_circle_of_files() {
    let uses = uses(&sources());
    let edges: usize = uses.values().map(BTreeMap::len).sum();
    assert!(edges > 1000, "{edges}");
    let circles = circles(&uses);
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found_whatever_way_it_goes() {
    let found = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        circles(&uses(&sources))
    };
    let root = ("lib.rs", "mod a; mod b;");
    let map = ("a/mod.rs", "mod x; mod y; pub use x::X; pub use y::Y as Z;");
    // By a re-exported name, and by a path within a macro.
    let x = ("a/x.rs", "use super::Z; pub struct X;");
    let y = ("a/y.rs", "pub struct Y; fn f() { vec![crate::a::X] }");
    assert_eq!(
        found(&[root, map, x, y]),
        ["a circle of 2 files:\n  a/x.rs uses a/y.rs: Y\n  a/y.rs uses a/x.rs: X"]
    );
    // Across three files, once through an imported module.
    let x = ("a/x.rs", "use super::y; pub fn f() { y::f() }");
    let y = ("a/y.rs", "pub fn f() { crate::b::f() }");
    let b = ("b.rs", "use crate::a; pub fn f() { a::x::f() }");
    let circle = found(&[root, map, x, y, b]).join("\n");
    assert!(circle.starts_with("a circle of 3 files:"), "{circle}");
    assert!(circle.contains("b.rs uses a/x.rs: f"), "{circle}");
    // One direction only; what tests use doesn't count.
    let y = (
        "a/y.rs",
        "pub struct Y; #[cfg(test)] mod tests { use super::super::x::X; }",
    );
    let x = ("a/x.rs", "use super::Z; pub struct X;");
    assert_eq!(found(&[root, map, x, y]), Vec::<String>::new());
    let map = ("a/mod.rs", "mod x; #[cfg(test)] mod y;");
    let y = ("a/y.rs", "use super::x::X; pub struct Y;");
    let x = ("a/x.rs", "use super::y::Y; pub struct X;");
    assert_eq!(found(&[root, map, x, y]), Vec::<String>::new());
}
