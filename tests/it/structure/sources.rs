//! The sources as modules, and the paths that each of them names.

use std::path::{Path, PathBuf};

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemMod, ItemUse, Macro, Meta, Token, UseTree};

/// The names of a path, from the first to the last.
pub(super) type Names = Vec<String>;

/// A file of `src`.
pub(super) struct Source {
    /// Below `src`.
    pub(super) path: String,
    /// The module that it is, without `crate`.
    pub(super) module: Names,
    /// What it says.
    pub(super) text: String,
    pub(super) file: syn::File,
}

impl Source {
    /// Parses the text of the file at `path`.
    pub(super) fn new(path: &str, text: &str) -> Source {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut module: Names = path
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        if is_map(path) {
            module.pop();
        }
        Source {
            path: path.to_owned(),
            module,
            text: text.to_owned(),
            file,
        }
    }

    /// Whether it is the map of its folder.
    pub(super) fn is_map(&self) -> bool {
        is_map(&self.path)
    }

    /// The modules that it declares in files of their own: their names, and whether they are for tests only.
    pub(super) fn declared(&self) -> impl Iterator<Item = (String, bool)> {
        self.file.items.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() => {
                Some((module.ident.to_string(), is_for_tests(&module.attrs)))
            }
            _ => None,
        })
    }

    /// The paths that it names, optionally including those of its tests.
    pub(super) fn paths(&self, with_tests: bool) -> Paths {
        let mut paths = Paths {
            module: self.module.clone(),
            with_tests,
            named: Vec::new(),
            bound: Vec::new(),
        };
        paths.visit_file(&self.file);
        paths
    }
}

fn is_map(path: &str) -> bool {
    let name = path.rsplit('/').next();
    matches!(name, Some("mod.rs" | "lib.rs" | "main.rs"))
}

/// All files of `src`.
pub(super) fn sources() -> Vec<Source> {
    let root = root();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let below = path.strip_prefix(&root).unwrap();
        Source::new(below.to_str().unwrap(), &text)
    };
    let sources: Vec<Source> = files(&root).iter().map(read).collect();
    assert!(sources.len() > 200, "{}", sources.len());
    sources
}

/// Where the sources are.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a folder of the sources") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A path as written.
pub(super) struct Named {
    /// The module in which it stands.
    pub(super) module: Names,
    pub(super) names: Names,
}

/// What a file names.
pub(super) struct Paths {
    /// The module being read.
    module: Names,
    with_tests: bool,
    /// Imports, and everything with `::`.
    pub(super) named: Vec<Named>,
    /// The names that imports give to paths.
    pub(super) bound: Vec<(String, Named)>,
}

impl Paths {
    fn add(&mut self, names: Names) {
        let module = self.module.clone();
        self.named.push(Named { module, names });
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let after = |ident: &Ident| -> Names {
            let name = ident.unraw().to_string();
            let itself = name == "self" && !before.is_empty();
            let name = (!itself).then_some(name);
            before.iter().cloned().chain(name).collect()
        };
        let (names, bound) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &after(&path.ident)),
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.import(tree, before));
            }
            UseTree::Name(name) => {
                let names = after(&name.ident);
                let bound = names.last().cloned().unwrap_or_default();
                (names, bound)
            }
            UseTree::Rename(rename) => (after(&rename.ident), rename.rename.to_string()),
            UseTree::Glob(_) => (before.to_vec(), "*".to_owned()),
        };
        let module = self.module.clone();
        let path = Named {
            module,
            names: names.clone(),
        };
        self.bound.push((bound, path));
        self.add(names);
    }

    /// Extracts the paths from the arguments of a macro or an attribute.
    fn scan(&mut self, found: syn::Result<Vec<Names>>) {
        for names in found.expect("tokens can be read") {
            self.add(names);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        if self.with_tests || !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path
            .segments
            .iter()
            .map(|segment| segment.ident.unraw().to_string())
            .collect();
        if names.len() > 1 {
            self.add(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        let found = called.parse_body_with(token_paths);
        self.scan(found);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.visit_path(attribute.path());
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.parse_args_with(token_paths));
        }
    }
}

/// The paths among tokens: names joined by `::`.
fn token_paths(input: ParseStream<'_>) -> syn::Result<Vec<Names>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        if input.peek(syn::token::Paren) {
            let inner;
            syn::parenthesized!(inner in input);
            found.extend(token_paths(&inner)?);
        } else if input.peek(syn::token::Brace) {
            let inner;
            syn::braced!(inner in input);
            found.extend(token_paths(&inner)?);
        } else if input.peek(syn::token::Bracket) {
            let inner;
            syn::bracketed!(inner in input);
            found.extend(token_paths(&inner)?);
        } else if input.peek(Ident::peek_any) {
            let names = token_path(input)?;
            if names.len() > 1 {
                found.push(names);
            }
        } else {
            input.step(|cursor| match cursor.token_tree() {
                Some((_, rest)) => Ok(((), rest)),
                None => Err(cursor.error("a token")),
            })?;
        }
    }
    Ok(found)
}

fn token_path(input: ParseStream<'_>) -> syn::Result<Names> {
    let mut names = vec![Ident::parse_any(input)?.unraw().to_string()];
    loop {
        let ahead = input.fork();
        let colons = ahead.parse::<Token![::]>();
        let (Ok(_), Ok(name)) = (colons, Ident::parse_any(&ahead)) else {
            return Ok(names);
        };
        input.advance_to(&ahead);
        names.push(name.unraw().to_string());
    }
}

/// Whether there is `#[cfg(test)]`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Ident>()
                .is_ok_and(|name| name == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Where a path in `module` leads, as far as can be determined without context; `None`: to another
/// crate, or to a name of this file.
pub(super) fn rooted(module: &[String], names: &[String]) -> Option<Names> {
    let (first, rest) = names.split_first()?;
    let mut from = module;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([from, rest].concat()),
        "super" => {
            let mut rest = names;
            while let Some(("super", further)) = rest.split_first().map(|(n, r)| (n.as_str(), r)) {
                from = from.split_last()?.1;
                rest = further;
            }
            Some([from, rest].concat())
        }
        _ => None,
    }
}

#[test]
fn the_reader_sees_every_form() {
    let text = "
        use crate::oci;
        use crate::{store::{self, Db as Database}, sync};
        #[derive(diesel::Queryable)]
        struct S { m: http::Method }
        fn f() { crate::api::x(); vec![super::y::z(&[1])]; }
        mod inner { use super::super::w; }
        #[cfg(test)]
        mod tests { use crate::never; }
    ";
    let source = Source::new("a/b.rs", text);
    let said = |with_tests| -> Vec<String> {
        let named = source.paths(with_tests).named;
        let mut said: Vec<String> = named
            .iter()
            .map(|named| match rooted(&named.module, &named.names) {
                Some(rooted) => format!("/{}", rooted.join("/")),
                None => named.names.join("::"),
            })
            .collect();
        said.sort();
        said
    };
    let all = [
        "/a/w",
        "/a/y/z",
        "/api/x",
        "/oci",
        "/store",
        "/store/Db",
        "/sync",
        "diesel::Queryable",
        "http::Method",
    ];
    assert_eq!(said(false), all);
    assert!(said(true).contains(&"/never".to_owned()));
    let paths = source.paths(false);
    let bound: Vec<&str> = paths.bound.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(bound, ["oci", "store", "Database", "sync", "w"]);
    assert_eq!(source.module, ["a", "b"]);
    let map = Source::new("a/mod.rs", "mod b;\n#[cfg(test)]\nmod c;\nmod d {}");
    assert_eq!(map.module, ["a"]);
    let declared: Vec<_> = map.declared().collect();
    assert_eq!(declared, [("b".to_owned(), false), ("c".to_owned(), true)]);
}
