//! The fenced blocks of a page.

use std::path::Path;

/// One block: what it is, and its lines.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// `console`, `python`, …
    pub(super) language: String,
    pub(super) lines: Vec<String>,
}

impl Block {
    /// The commands after `$ `, with their continuation lines; their output is left out.
    pub(super) fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = Vec::new();
        let mut goes_on = false;
        for line in &self.lines {
            match line.strip_prefix("$ ") {
                Some(command) => commands.push(command.to_owned()),
                None if goes_on => {
                    let last = commands.last_mut().expect("a command before its output");
                    last.push('\n');
                    last.push_str(line);
                }
                None => continue,
            }
            // A line continues after a backslash, and after a pipe or an open quote with an indent.
            let last = commands.last().expect("just put there");
            goes_on =
                last.ends_with('\\') || last.ends_with('|') || last.matches('\'').count() % 2 == 1;
        }
        commands
    }

    /// The output that the block shows for its commands.
    pub(super) fn first_line(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    pub(super) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// The blocks of a page, including those in lists.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match (trimmed.strip_prefix("```"), open) {
            (Some(language), None) => {
                open = Some(line.len() - trimmed.len());
                let (language, lines) = (language.to_owned(), Vec::new());
                found.push(Block { language, lines });
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(indent)) => {
                let line = line.get(indent..).unwrap_or_default();
                found
                    .last_mut()
                    .expect("opened")
                    .lines
                    .push(line.to_owned());
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block isn't closed");
    found
}
