//! A streaming parser for the entries of a JSON list within an object (`{"tags": […]}`): other members
//! are skipped, and of an entry that is too long only the beginning is kept.

/// Deeper nesting isn't a listing.
const MAX_DEPTH: usize = 64;
/// Maximum length of a member's name that is considered, and of a number or word.
const MAX_WORD: usize = 64;

/// Reads one document.
pub(super) struct Entries {
    member: &'static str,
    longest: usize,
    /// Whether each open bracket belongs to an object.
    open: Vec<bool>,
    next: Next,
    text: Text,
    /// The name of the current member of the outermost object.
    key: Vec<u8>,
    is_key: bool,
    /// The current entry, word or name, as far as it is kept.
    kept: Vec<u8>,
    is_cut: bool,
}

/// One entry, as JSON.
pub(in crate::oci) struct Entry<'a> {
    pub(in crate::oci) json: &'a [u8],
    /// Whether it is longer than the kept part.
    pub(super) is_cut: bool,
}

/// The document isn't a JSON object with such a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoListing;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// After `[`.
    ValueOrEnd,
    Key,
    /// After `{`.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// Only white space.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    None,
    /// Within quotes.
    Quoted,
    /// After a backslash in quotes.
    Escaped,
    /// A number, or `true`, `false`, `null`.
    Word,
}

impl Entries {
    /// Looks for the list `member`; keeps at most `longest` bytes of each entry.
    pub(in crate::oci) fn new(member: &'static str, longest: usize) -> Self {
        Self {
            member,
            longest,
            open: Vec::new(),
            next: Next::Value,
            text: Text::None,
            key: Vec::new(),
            is_key: false,
            kept: Vec::new(),
            is_cut: false,
        }
    }

    /// Parses further bytes; `each` gets the entries that end in them.
    pub(super) fn feed<E: From<NoListing>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if self.text == Text::Quoted {
                // Most of a listing is in quotes, where nothing happens.
                let is_plain = |byte: &u8| *byte != b'"' && *byte != b'\\' && *byte >= 0x20;
                let plain = rest.iter().position(|byte| !is_plain(byte));
                let (text, after) = rest.split_at(plain.unwrap_or(rest.len()));
                if !text.is_empty() {
                    self.keep(text);
                    rest = after;
                    continue;
                }
            }
            self.byte(*byte, &mut each)?;
            rest = after;
        }
        Ok(())
    }

    /// Whether the document is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.next == Next::Nothing && self.text == Text::None
    }

    fn byte<E: From<NoListing>>(
        &mut self,
        byte: u8,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match (self.text, byte) {
            (Text::Quoted, b'"') => {
                self.keep(&[byte]);
                self.text = Text::None;
                return self.text_ended(each);
            }
            (Text::Quoted, b'\\') => self.text = Text::Escaped,
            (Text::Quoted, 0..=0x1f) => return Err(NoListing.into()),
            (Text::Escaped, _) => self.text = Text::Quoted,
            (Text::Word, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => {
                self.text = Text::None;
                self.word_ended(each)?;
                return self.structure(byte, each);
            }
            (Text::Quoted | Text::Word, _) => {}
            (Text::None, _) => return self.structure(byte, each),
        }
        self.keep(&[byte]);
        Ok(())
    }

    fn structure<E: From<NoListing>>(
        &mut self,
        byte: u8,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let awaits_value = matches!(self.next, Next::Value | Next::ValueOrEnd);
        let awaits_key = matches!(self.next, Next::Key | Next::KeyOrEnd);
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                if self.is_inside_entry() {
                    self.keep(&[byte]);
                }
                return Ok(());
            }
            b'"' if awaits_key || (awaits_value && !self.open.is_empty()) => {
                self.is_key = awaits_key;
                self.begin(byte);
                self.text = Text::Quoted;
            }
            b':' if self.next == Next::Colon => {
                self.next = Next::Value;
                self.keep_inside(byte);
            }
            b',' if self.next == Next::CommaOrEnd => {
                let is_object = self.open.last() == Some(&true);
                self.next = if is_object { Next::Key } else { Next::Value };
                self.keep_inside(byte);
            }
            b'{' | b'[' if awaits_value => {
                let is_object = byte == b'{';
                // The outermost value is an object, and the wanted member a list.
                let is_wrong = match self.open.len() {
                    0 => !is_object,
                    1 => is_object && self.is_member(),
                    depth => depth >= MAX_DEPTH,
                };
                if is_wrong {
                    return Err(NoListing.into());
                }
                self.begin(byte);
                self.open.push(is_object);
                self.next = if is_object {
                    Next::KeyOrEnd
                } else {
                    Next::ValueOrEnd
                };
            }
            b'}' | b']' if self.may_end(byte == b'}') => {
                self.keep_inside(byte);
                self.open.pop();
                return self.value_ended(each);
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' if awaits_value && !self.open.is_empty() => {
                self.begin(byte);
                self.text = Text::Word;
            }
            _ => return Err(NoListing.into()),
        }
        Ok(())
    }

    fn may_end(&self, is_object: bool) -> bool {
        self.open.last() == Some(&is_object)
            && match self.next {
                Next::CommaOrEnd => true,
                Next::KeyOrEnd => is_object,
                Next::ValueOrEnd => !is_object,
                _ => false,
            }
    }

    /// The end of a string: a name or a value.
    fn text_ended<E: From<NoListing>>(
        &mut self,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !std::mem::take(&mut self.is_key) {
            self.scalar_check()?;
            return self.value_ended(each);
        }
        if self.open.len() == 1 {
            self.key.clone_from(&self.kept);
        }
        self.next = Next::Colon;
        Ok(())
    }

    fn word_ended<E: From<NoListing>>(
        &mut self,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scalar_check()?;
        if !self.is_inside_entry() {
            let is_word = serde_json::from_slice::<serde_json::Value>(&self.kept).is_ok();
            if !is_word || self.is_cut {
                return Err(NoListing.into());
            }
        }
        self.value_ended(each)
    }

    /// The list itself may be `null`, but no other scalar.
    fn scalar_check(&self) -> Result<(), NoListing> {
        let is_list = self.open.len() == 1 && self.is_member();
        if is_list && self.kept != b"null" {
            return Err(NoListing);
        }
        Ok(())
    }

    fn value_ended<E>(
        &mut self,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.next = if self.open.is_empty() {
            Next::Nothing
        } else {
            Next::CommaOrEnd
        };
        if self.open.len() == 2 && self.is_in_list() {
            return each(Entry {
                json: &self.kept,
                is_cut: self.is_cut,
            });
        }
        Ok(())
    }

    fn is_member(&self) -> bool {
        let quoted = self
            .key
            .strip_prefix(b"\"")
            .and_then(|key| key.strip_suffix(b"\""));
        quoted == Some(self.member.as_bytes())
    }

    fn is_in_list(&self) -> bool {
        self.open.get(1) == Some(&false) && self.is_member()
    }

    fn is_inside_entry(&self) -> bool {
        self.open.len() > 2 && self.is_in_list()
    }

    /// Starts to keep an entry, a word or a name; nested values belong to their entry.
    fn begin(&mut self, byte: u8) {
        if !self.is_inside_entry() {
            self.kept.clear();
            self.is_cut = false;
        }
        self.keep(&[byte]);
    }

    fn keep_inside(&mut self, byte: u8) {
        if self.is_inside_entry() {
            self.keep(&[byte]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let longest = if self.is_in_list() {
            self.longest
        } else {
            MAX_WORD
        };
        let room = longest.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept
            .extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.is_cut |= room < bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries, parsed in pieces of `step` bytes; a `…` marks cut ones.
    fn read(document: &str, step: usize) -> Result<Vec<String>, NoListing> {
        let mut entries = Entries::new("tags", 12);
        let mut found = Vec::new();
        for piece in document.as_bytes().chunks(step) {
            entries.feed(piece, |entry| {
                let text = String::from_utf8_lossy(entry.json);
                found.push(format!("{text}{}", if entry.is_cut { "…" } else { "" }));
                Ok::<(), NoListing>(())
            })?;
        }
        if entries.is_complete() {
            Ok(found)
        } else {
            Err(NoListing)
        }
    }

    #[test]
    fn entries_come_one_by_one() {
        for (document, wanted) in [
            (r#"{"tags":["a","b\"c"]}"#, vec![r#""a""#, r#""b\"c""#]),
            (
                r#" { "name" : "x" , "tags" : [ "a" , "b" ] , "z" : 1 } "#,
                vec![r#""a""#, r#""b""#],
            ),
            (r#"{"tags":[]}"#, vec![]),
            (r#"{"tags":null}"#, vec![]),
            ("{}", vec![]),
            (r#"{"name":"tags"}"#, vec![]),
            (
                r#"{"other":{"tags":["no"]},"tags":["yes"]}"#,
                vec![r#""yes""#],
            ),
            (
                r#"{"other":[["x"],{"y":[]},-1.5e3,true],"tags":["a"]}"#,
                vec![r#""a""#],
            ),
            (
                r#"{"tags":[null,"1.0",7,true,{"a":[1]},["x"]]}"#,
                vec!["null", r#""1.0""#, "7", "true", r#"{"a":[1]}"#, r#"["x"]"#],
            ),
            (
                r#"{"tags":["0123456789abcdef","b"]}"#,
                vec![r#""0123456789a…"#, r#""b""#],
            ),
            (
                r#"{"tags":[{"digest":"0123456789"},"b"]}"#,
                vec![r#"{"digest":"0…"#, r#""b""#],
            ),
            (r#"{"tags":["a"],"tags":["b"]}"#, vec![r#""a""#, r#""b""#]),
        ] {
            for step in [1, 3, 1000] {
                assert_eq!(
                    read(document, step).unwrap(),
                    wanted,
                    "{document} by {step}"
                );
            }
        }
    }

    #[test]
    fn invalid_listings_are_reported() {
        for document in [
            "",
            " ",
            "<html></html>",
            "[]",
            "7",
            "null",
            r#""tags""#,
            "{",
            r#"{"tags"}"#,
            r#"{"tags":}"#,
            r#"{"tags":7}"#,
            r#"{"tags":"a"}"#,
            r#"{"tags":{"a":1}}"#,
            r#"{"tags":["a"}"#,
            r#"{"tags":["a"]"#,
            r#"{"tags":["a",]}"#,
            r#"{"tags":["a" "b"]}"#,
            r#"{"tags":["a]}"#,
            r#"{"tags":["a"]}{"#,
            r#"{"x":nul}"#,
            r#"{"x":1 2}"#,
            r"{,}",
            r#"{"tags":[,]}"#,
            "{\"tags\":[\"a\nb\"]}",
            r#"{"a":1,}"#,
        ] {
            for step in [1, 1000] {
                assert_eq!(read(document, step), Err(NoListing), "{document} by {step}");
            }
        }
        let deep = format!(r#"{{"x":{}"#, "[".repeat(1000));
        assert_eq!(read(&deep, 100), Err(NoListing));
    }

    /// An endless text only costs its kept part.
    #[test]
    fn an_endless_entry_takes_no_memory() {
        let mut entries = Entries::new("tags", 1000);
        let nothing = |_: Entry<'_>| Ok::<(), NoListing>(());
        entries.feed(br#"{"tags":[""#, nothing).unwrap();
        for _ in 0..1000 {
            entries.feed(&[b'x'; 10_000], nothing).unwrap();
        }
        assert!(entries.kept.capacity() <= 2000);
    }
}
