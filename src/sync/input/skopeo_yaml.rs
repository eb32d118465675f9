//! The source file of `skopeo sync --src yaml`: a map from registries to what to copy from them.
//!
//! skopeo skips what it can't read and continues; here such a file is refused, with the line.

use indexmap::IndexMap;
use indexmap::map::Entry as MapEntry;
use secrecy::SecretString;

use super::yaml::{self, Entry, Node, Value};
use crate::oci::{RegistryAddress, Repository};
use crate::sync::selection::pattern::Pattern;
use crate::sync::selection::select::Selector;
use crate::sync::selection::selector_spec::SelectorSpec;

pub use super::yaml::FileError;

/// A whole file.
#[derive(Clone, Debug)]
pub struct SkopeoSource {
    /// The registries in the file's order.
    pub registries: Vec<SkopeoRegistry>,
}

/// One registry and what to copy from it.
#[derive(Clone, Debug)]
pub struct SkopeoRegistry {
    /// `host[:port]`, without the path that the file's key may have.
    pub host: String,
    /// Line of the key, from 1.
    pub line: usize,
    /// User name and password; empty ones count as none.
    pub credentials: Option<(String, SecretString)>,
    /// `tls-verify`; if absent, the source's general setting applies.
    pub tls_verify: Option<bool>,
    /// The repositories in the file's order, once each.
    pub items: Vec<SkopeoItem>,
}

/// One repository and the selection of its tags.
#[derive(Clone, Debug)]
pub struct SkopeoItem {
    /// The path in the registry, with the path of the registry's key in front.
    pub repository: Repository,
    /// Line of the repository's first mention, from 1.
    pub line: usize,
    /// The union of the file's selectors for this repository; patterns are translated from Go's
    /// syntax.
    pub selector: SelectorSpec,
}

const IMAGES: &str = "images";
const BY_REGEX: &str = "images-by-tag-regex";
const BY_SEMVER: &str = "images-by-semver";
const CREDENTIALS: &str = "credentials";
const TLS_VERIFY: &str = "tls-verify";
const KEYS: [&str; 5] = [IMAGES, BY_REGEX, BY_SEMVER, CREDENTIALS, TLS_VERIFY];
const CREDENTIAL_KEYS: [&str; 2] = ["username", "password"];
/// Keys that skopeo supports and we don't, and what to do instead.
const REFUSED_KEYS: [(&str, &str); 2] = [
    ("cert-dir", "give the certificates with `--ca-certificate`"),
    ("identitytoken", "give `username` and `password`"),
];

impl SkopeoSource {
    /// Parses a file. The first error refuses all of it.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let nothing = || {
            FileError::new(
                1,
                "the file selects nothing: no registry in it names an image",
            )
        };
        let root = yaml::tree(text)?.ok_or_else(nothing)?;
        let registries = KeyPath::top()
            .map(&root)?
            .iter()
            .map(registry)
            .collect::<Result<Vec<_>, _>>()?;
        if registries.iter().all(|registry| registry.items.is_empty()) {
            return Err(nothing());
        }
        Ok(Self { registries })
    }
}

/// The path of keys to a node, for messages.
struct KeyPath(Vec<String>);

impl KeyPath {
    fn top() -> Self {
        Self(Vec::new())
    }

    fn below(&self, key: &str) -> Self {
        Self(
            self.0
                .iter()
                .map(String::as_str)
                .chain([key])
                .map(str::to_owned)
                .collect(),
        )
    }

    fn error(&self, line: usize, message: impl std::fmt::Display) -> FileError {
        FileError::new(
            line,
            match self.0.join(" > ") {
                path if path.is_empty() => message.to_string(),
                path => format!("`{path}`: {message}"),
            },
        )
    }

    /// The entries of a map; nothing counts as an empty one.
    fn map<'n>(&self, node: &'n Node) -> Result<&'n [Entry], FileError> {
        match &node.value {
            Value::Map(entries) => Ok(entries),
            _ if node.is_null() => Ok(&[]),
            _ => Err(self.error(node.line, format!("expected a map, got {}", node.kind()))),
        }
    }

    fn text<'n>(&self, node: &'n Node) -> Result<&'n str, FileError> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Ok(text),
            _ => Err(self.error(node.line, format!("expected text, got {}", node.kind()))),
        }
    }

    fn unknown_key(&self, entry: &Entry, known: &[&str]) -> FileError {
        let key = &entry.key;
        let refused = REFUSED_KEYS.iter().find(|(refused, _)| refused == key);
        if let Some((_, instead)) = refused {
            let message = format!("`{key}` is not supported; remove it, and {instead}");
            return self.error(entry.line, message);
        }
        let nearest = known
            .iter()
            .map(|candidate| (strsim::damerau_levenshtein(key, candidate), candidate))
            .min();
        let hint = match nearest {
            Some((distance, candidate)) if distance <= candidate.len() / 2 => {
                format!("did you mean `{candidate}`?")
            }
            _ => format!("expected one of `{}`", known.join("`, `")),
        };
        self.error(entry.line, format!("unknown key `{key}`; {hint}"))
    }
}

fn registry(entry: &Entry) -> Result<SkopeoRegistry, FileError> {
    let place = KeyPath::top().below(&entry.key);
    let (host, prefix) = split_key(&entry.key);
    let address = if prefix.is_empty() {
        host.to_owned()
    } else {
        format!("{host}/{prefix}")
    };
    if let Err(error) = RegistryAddress::parse(&address) {
        // It names the address itself, without a password in it.
        return Err(KeyPath::top().error(entry.line, error));
    }
    let mut registry = SkopeoRegistry {
        host: host.to_owned(),
        line: entry.line,
        credentials: None,
        tls_verify: None,
        items: Vec::new(),
    };
    let mut items = Items {
        prefix,
        found: IndexMap::new(),
    };
    for option in place.map(&entry.node)? {
        let below = place.below(&option.key);
        match option.key.as_str() {
            IMAGES => items.add(&below, &option.node, literal_selection)?,
            BY_REGEX => items.add(&below, &option.node, regex_selection)?,
            BY_SEMVER => items.add(&below, &option.node, semver_selection)?,
            CREDENTIALS => registry.credentials = credentials(&below, &option.node)?,
            TLS_VERIFY => registry.tls_verify = boolean(&below, &option.node)?,
            _ => return Err(place.unknown_key(option, &KEYS)),
        }
    }
    registry.items = items.found.into_values().collect();
    Ok(registry)
}

/// Host and path of a key. As in skopeo, a first part without `.` and `:` other than `localhost`
/// isn't a host, so all of it is a path at Docker Hub.
fn split_key(key: &str) -> (&str, &str) {
    if key.contains("://") {
        return (key, "");
    }
    let (first, path) = key.split_once('/').unwrap_or((key, ""));
    let is_host = first == "localhost" || first.contains(['.', ':']);
    if is_host {
        (first, path)
    } else {
        ("docker.io", key)
    }
}

/// The repositories of one registry.
struct Items<'n> {
    prefix: &'n str,
    found: IndexMap<Repository, SkopeoItem>,
}

impl Items<'_> {
    fn add(
        &mut self,
        place: &KeyPath,
        node: &Node,
        selection: fn(&KeyPath, &Node) -> Result<SelectorSpec, FileError>,
    ) -> Result<(), FileError> {
        for entry in place.map(node)? {
            let below = place.below(&entry.key);
            let path = match self.prefix {
                "" => entry.key.clone(),
                prefix => format!("{prefix}/{}", entry.key),
            };
            let repository =
                Repository::parse(&path).map_err(|error| below.error(entry.line, error))?;
            let selector = selection(&below, &entry.node)?;
            match self.found.entry(repository.clone()) {
                MapEntry::Vacant(slot) => {
                    slot.insert(SkopeoItem {
                        repository,
                        line: entry.line,
                        selector,
                    });
                }
                MapEntry::Occupied(mut slot) => unite(&mut slot.get_mut().selector, selector),
            }
        }
        Ok(())
    }
}

/// Each of the file's three maps sets another field; if one selects every tag, the others are
/// irrelevant.
fn unite(selector: &mut SelectorSpec, other: SelectorSpec) {
    let everything = SelectorSpec::default();
    if *selector == everything || other == everything {
        *selector = everything;
        return;
    }
    selector.tags.extend(other.tags);
    selector.tags_regex = selector.tags_regex.take().or(other.tags_regex);
    selector.semver = selector.semver.take().or(other.semver);
}

/// Tags and digests; an empty list means every tag.
fn literal_selection(place: &KeyPath, node: &Node) -> Result<SelectorSpec, FileError> {
    let entries = match &node.value {
        Value::List(entries) => entries.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            let message = format!(
                "expected a list of tags, such as `[]` for all or `[\"1.0\"]`, got {}",
                node.kind()
            );
            return Err(place.error(node.line, message));
        }
    };
    let mut spec = SelectorSpec::default();
    for entry in entries {
        let one = SelectorSpec {
            tags: vec![place.text(entry)?.to_owned()],
            ..SelectorSpec::default()
        };
        Selector::compile(&one).map_err(|error| {
            // The file has its own names for the selectors.
            let message = error
                .message
                .replace("`semver`", &format!("`{BY_SEMVER}`"))
                .replace("`tags_regex`", &format!("`{BY_REGEX}`"));
            place.error(entry.line, format!("`{}`: {message}", error.value))
        })?;
        spec.tags.extend(one.tags);
    }
    Ok(spec)
}

fn regex_selection(place: &KeyPath, node: &Node) -> Result<SelectorSpec, FileError> {
    let text = place.text(node)?;
    let pattern = Pattern::from_go(text)
        .map_err(|error| place.error(node.line, format!("`{text}`: {error}")))?;
    let text = Some(pattern.as_str()).filter(|text| !text.is_empty());
    Ok(SelectorSpec {
        tags_regex: text.map(str::to_owned),
        ..SelectorSpec::default()
    })
}

fn semver_selection(place: &KeyPath, node: &Node) -> Result<SelectorSpec, FileError> {
    let text = place.text(node)?;
    if text.is_empty() {
        return Err(place.error(node.line, "the range is empty; write `*` for every release"));
    }
    let spec = SelectorSpec {
        semver: Some(text.to_owned()),
        ..SelectorSpec::default()
    };
    Selector::compile(&spec)
        .map_err(|error| place.error(node.line, format!("`{text}`: {}", error.message)))?;
    Ok(spec)
}

fn credentials(place: &KeyPath, node: &Node) -> Result<Option<(String, SecretString)>, FileError> {
    let (mut user, mut password) = (String::new(), String::new());
    for entry in place.map(node)? {
        let field = match entry.key.as_str() {
            "username" => &mut user,
            "password" => &mut password,
            _ => return Err(place.unknown_key(entry, &CREDENTIAL_KEYS)),
        };
        if !entry.node.is_null() {
            place.below(&entry.key).text(&entry.node)?.clone_into(field);
        }
    }
    match (user.is_empty(), password.is_empty()) {
        (true, true) => Ok(None),
        (false, _) => Ok(Some((user, SecretString::from(password)))),
        (true, false) => Err(place.error(node.line, "a password without `username`")),
    }
}

fn boolean(place: &KeyPath, node: &Node) -> Result<Option<bool>, FileError> {
    match &node.value {
        _ if node.is_null() => Ok(None),
        Value::Scalar {
            text,
            is_plain: true,
        } if is_one_of(text, &["true", "yes", "on"]) => Ok(Some(true)),
        Value::Scalar {
            text,
            is_plain: true,
        } if is_one_of(text, &["false", "no", "off"]) => Ok(Some(false)),
        _ => Err(place.error(node.line, "expected `true` or `false`, without quotes")),
    }
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}
