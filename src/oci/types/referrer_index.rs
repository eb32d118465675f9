//! Indexes of referrers, as they are kept under a fallback tag, and their entries.
//!
//! Source: OCI distribution specification 1.1, "Pushing Manifests with Subject".

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::digest::Digest;
use super::manifest::{Content, Descriptor, Manifest, OCI_INDEX};

/// The entry for a referrer: its artifact type, else its configuration's media type, and its
/// annotations.
pub fn referrer_descriptor(manifest: &Manifest) -> Descriptor {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Raw {
        artifact_type: Option<String>,
        annotations: BTreeMap<String, String>,
    }
    let raw: Raw = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let config = match &manifest.content {
        Content::Image { config, .. } => config.as_ref(),
        _ => None,
    };
    let own = raw.artifact_type.filter(|own| !own.is_empty());
    Descriptor {
        media_type: manifest.media_type.clone(),
        digest: manifest.digest.clone(),
        size: manifest.bytes.len() as u64,
        platform: None,
        annotations: raw.annotations,
        artifact_type: own.or_else(|| config.map(|config| config.media_type.clone())),
    }
}

/// The manifest that a referrer says it belongs to.
pub fn subject_of(manifest: &Manifest) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Raw {
        subject: Option<Descriptor>,
    }
    let raw: Raw = serde_json::from_slice(&manifest.bytes).ok()?;
    raw.subject.map(|subject| subject.digest)
}

/// `index` with those of `entries` that it lacks; everything else stays as written. `None`: it has
/// all of them. Err: why it can't be extended.
pub fn index_extended(
    index: Option<&Manifest>,
    entries: &[Descriptor],
) -> Result<Option<Manifest>, String> {
    const NEW: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        manifests: Vec<&'a RawValue>,
    }
    if index.is_some_and(|index| !matches!(index.content, Content::Index(_))) {
        return Err("it is not an index".into());
    }
    let mut known: HashSet<&Digest> = index
        .map(Manifest::children)
        .into_iter()
        .flatten()
        .map(|child| &child.digest)
        .collect();
    let new: Vec<&Descriptor> = entries
        .iter()
        .filter(|entry| known.insert(&entry.digest))
        .collect();
    if new.is_empty() {
        return Ok(None);
    }
    let failed = |error: serde_json::Error| format!("it can't be rewritten: {error}");
    let bytes: &[u8] = index.map_or(NEW, |index| &index.bytes);
    let raw: Raw<'_> = serde_json::from_slice(bytes).map_err(failed)?;
    let new: Vec<Box<RawValue>> = new
        .into_iter()
        .map(serde_json::value::to_raw_value)
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let all: Vec<&RawValue> = raw
        .manifests
        .into_iter()
        .chain(new.iter().map(AsRef::as_ref))
        .collect();
    let all = serde_json::value::to_raw_value(&all).map_err(failed)?;
    let mut members: IndexMap<String, &RawValue> = serde_json::from_slice(bytes).map_err(failed)?;
    members.insert("manifests".into(), &all);
    let bytes = Bytes::from(serde_json::to_vec(&members).map_err(failed)?);
    let media_type = index.map_or(OCI_INDEX, |index| &index.media_type);
    Manifest::parse(bytes, Some(media_type)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::{index_extended, referrer_descriptor};
    use crate::oci::{Digest, Manifest};

    fn manifest(text: &str) -> Manifest {
        Manifest::parse(text.to_owned().into(), None).unwrap()
    }

    #[test]
    fn an_entry_has_the_artifact_type_or_the_configurations() {
        let empty = Digest::of(b"{}");
        let config = format!(r#""config":{{"mediaType":"a/config","digest":"{empty}","size":2}}"#);
        let typed = manifest(&format!(
            r#"{{"artifactType":"a/type",{config},"annotations":{{"k":"v"}}}}"#
        ));
        let entry = referrer_descriptor(&typed);
        assert_eq!(entry.artifact_type.as_deref(), Some("a/type"));
        assert_eq!(entry.annotations["k"], "v");
        let untyped = referrer_descriptor(&manifest(&format!("{{{config}}}")));
        assert_eq!(untyped.artifact_type.as_deref(), Some("a/config"));
    }

    #[test]
    fn what_an_index_has_stays_as_it_was_written() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let old = format!(r#"{{"digest":"{a}", "size":1, "x":[1, 2]}}"#);
        let index = manifest(&format!(r#"{{"z":1.50,"manifests":[{old}]}}"#));
        let entry = |digest: &Digest| super::Descriptor {
            media_type: "m/t".into(),
            digest: digest.clone(),
            size: 3,
            platform: None,
            annotations: std::collections::BTreeMap::new(),
            artifact_type: Some("a/t".into()),
        };
        let entries = [entry(&a), entry(&b), entry(&b)];
        let longer = index_extended(Some(&index), &entries).unwrap().unwrap();
        assert_eq!(
            std::str::from_utf8(&longer.bytes).unwrap(),
            format!(
                r#"{{"z":1.50,"manifests":[{old},{{"mediaType":"m/t","digest":"{b}","size":3,"artifactType":"a/t"}}]}}"#
            )
        );
        assert!(index_extended(Some(&longer), &entries).unwrap().is_none());
        let new = index_extended(None, &entries).unwrap().unwrap();
        assert_eq!(new.children().len(), 2);
        let image = manifest(r#"{"layers":[]}"#);
        assert!(index_extended(Some(&image), &entries).is_err());
    }
}
