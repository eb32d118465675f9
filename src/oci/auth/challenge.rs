//! Tolerant parser of `WWW-Authenticate` challenges.
//!
//! Source: RFC 7235, section 4.1; a header may hold several challenges, and a value several scopes.

/// One challenge: a scheme and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::oci) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn is_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// A parameter's value; `None` when missing or empty.
    pub(in crate::oci) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// All challenges in a response's headers, in order.
pub(in crate::oci) fn challenges_parse<'a>(
    headers: impl Iterator<Item = &'a str>,
) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    for header in headers {
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if rest.is_empty() {
                break;
            }
            let end = rest
                .find(|c: char| c == '=' || c == ',' || c.is_whitespace())
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if let Some(value) = after.trim_start().strip_prefix('=') {
                let (value, after) = value_take(value.trim_start());
                if let Some(challenge) = found.last_mut() {
                    challenge.parameters.push((word.to_owned(), value));
                }
                rest = after;
            } else {
                found.push(Challenge {
                    scheme: word.to_owned(),
                    parameters: Vec::new(),
                });
                rest = after;
            }
        }
    }
    found
}

/// A quoted or bare value, and the rest of the text.
fn value_take(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c == ',' || c.is_whitespace())
            .unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_in_many_dresses() {
        let parse = |text: &str| challenges_parse([text].into_iter());
        let ghcr = parse(
            r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#,
        );
        assert_eq!(ghcr[0].parameter("realm"), Some("https://ghcr.io/token"));
        assert_eq!(ghcr[0].parameter("SCOPE"), Some("repository:a/b:pull"));
        let both = parse(
            r#"Basic realm="a, \"b\" = c", Bearer realm=https://x/t , scope="r:a:pull r:b:pull,push""#,
        );
        assert!(both[0].is_scheme("basic") && both[1].is_scheme("BEARER"));
        assert_eq!(both[0].parameter("realm"), Some(r#"a, "b" = c"#));
        assert_eq!(both[1].parameter("scope"), Some("r:a:pull r:b:pull,push"));
        for broken in [
            "",
            ",,,",
            "=",
            "Bearer",
            "Bearer realm=",
            r#"Bearer realm="x"#,
            "a=b=c",
            "Bearer =\"\\",
        ] {
            parse(broken);
        }
        assert_eq!(parse("Bearer realm=\"\"")[0].parameter("realm"), None);
    }
}
