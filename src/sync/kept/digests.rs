//! What a kept plan says of a tag, and what stands against copying it now.

use crate::oci::Digest;

/// The digests of a planned copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDigests {
    /// What the source's tag had.
    pub source: Digest,
    /// What the target's tag is to have.
    pub target: Digest,
    /// What the target's tag had; `None`: it didn't exist.
    pub previous: Option<Digest>,
}

impl PlannedDigests {
    /// Why the tag isn't copied, if an end has changed since the plan. `ends`: the names of the tag at
    /// the source and at the target, and the digests that they have now.
    pub(in crate::sync) fn objection(
        &self,
        [(origin, source), (place, present)]: [(String, Option<&Digest>); 2],
    ) -> Option<String> {
        let planned = &self.source;
        match source {
            None => {
                return Some(format!(
                    "`{origin}` is gone since the plan, in which it is `{planned}`"
                ));
            }
            Some(now) if now != planned => {
                return Some(format!(
                    "`{origin}` has moved since the plan: it was `{planned}`, now it is `{now}`"
                ));
            }
            Some(_) => {}
        }
        if present == Some(&self.target) || present == self.previous.as_ref() {
            return None;
        }
        let words = |digest: Option<&Digest>| match digest {
            Some(digest) => format!("`{digest}`"),
            None => "absent".to_owned(),
        };
        Some(format!(
            "the target has changed since the plan: `{place}` was {}, now it is {}",
            words(self.previous.as_ref()),
            words(present)
        ))
    }

    /// Why the tag isn't copied, if another manifest would be written than the plan says.
    pub(in crate::sync) fn difference(
        &self,
        place: &str,
        digest: Option<&Digest>,
    ) -> Option<String> {
        let planned = &self.target;
        match digest {
            Some(digest) if digest == planned => None,
            Some(digest) => Some(format!(
                "`{place}` would get `{digest}`, but the plan says `{planned}`"
            )),
            None => Some(format!(
                "`{place}` would get nothing, but the plan says `{planned}`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PlannedDigests;
    use crate::oci::Digest;

    #[test]
    fn only_an_end_that_has_changed_stands_against_a_copy() {
        let [old, new, before, other] =
            ["old", "new", "before", "other"].map(|text| Digest::of(text.as_bytes()));
        let planned = |previous: Option<&Digest>| PlannedDigests {
            source: old.clone(),
            target: new.clone(),
            previous: previous.cloned(),
        };
        let objection = |previous, source, present| {
            let ends = [
                ("hub/a:1".to_owned(), source),
                ("mirror/a:1".to_owned(), present),
            ];
            planned(previous).objection(ends)
        };
        for (previous, present) in [
            (None, None),
            (None, Some(&new)),
            (Some(&before), Some(&before)),
            (Some(&before), Some(&new)),
        ] {
            assert_eq!(objection(previous, Some(&old), present), None);
        }
        for (previous, source, present, words) in [
            (None, None, None, "`hub/a:1` is gone since the plan"),
            (
                None,
                Some(&other),
                Some(&new),
                "`hub/a:1` has moved since the plan",
            ),
            (
                None,
                Some(&old),
                Some(&other),
                "`mirror/a:1` was absent, now it is `sha256:",
            ),
            (Some(&before), Some(&old), None, "now it is absent"),
            (
                Some(&before),
                Some(&old),
                Some(&other),
                "the target has changed",
            ),
        ] {
            let said = objection(previous, source, present);
            assert!(
                said.as_ref().is_some_and(|said| said.contains(words)),
                "{said:?}"
            );
        }
        let place = "mirror/a:1";
        assert_eq!(planned(None).difference(place, Some(&new)), None);
        assert!(planned(None).difference(place, Some(&old)).is_some());
        assert!(planned(None).difference(place, None).is_some());
    }
}
