//! The examples of `--help`: they can be copied, and are valid commands.

use clap::{Command, CommandFactory as _, Parser as _};
use registrysync::cli::args::Arguments;

/// Narrower terminals are rare.
const WIDTH: usize = 80;

/// All commands, with their sub-commands.
fn commands() -> Vec<Command> {
    let mut found = Vec::new();
    let mut left = vec![Arguments::command().term_width(WIDTH)];
    while let Some(command) = left.pop() {
        let below = command.get_subcommands().cloned();
        left.extend(below.map(|below| below.term_width(WIDTH)));
        found.push(command);
    }
    found
}

/// The lines below `Examples:`, unchanged.
fn example_lines(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines.take_while(|line| line.starts_with("  ")).collect()
}

/// Lines that end with a backslash continue in the next one.
fn joined(lines: &[&str]) -> Vec<String> {
    let mut whole = vec![String::new()];
    for line in lines {
        let last = whole.last_mut().unwrap();
        if let Some(part) = line.trim().strip_suffix('\\') {
            last.push_str(part);
        } else {
            last.push_str(line.trim());
            whole.push(String::new());
        }
    }
    whole.pop();
    whole
}

/// The words of the first command of a line, as a shell takes them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let (mut word, mut quoted, mut begun) = (String::new(), false, false);
    let end = line
        .find(" && ")
        .or_else(|| line.find(" # "))
        .or_else(|| line.find(" > "));
    for c in line[..end.unwrap_or(line.len())].chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[test]
fn every_example_stays_on_its_lines_and_is_a_command() {
    let mut tried = 0;
    for mut command in commands() {
        let Some(text) = command.get_after_help().map(ToString::to_string) else {
            let is_leaf = command.get_subcommands().next().is_none();
            assert!(!is_leaf, "`{}` has no example", command.get_name());
            continue;
        };
        let shown = command.render_long_help().to_string();
        let lines = example_lines(&text);
        assert!(!lines.is_empty(), "{text}");
        for line in &lines {
            let intact = shown.lines().any(|shown| shown == *line);
            assert!(intact, "`{line}` is wrapped in\n{shown}");
        }
        for example in joined(&lines) {
            // A shell's start file is extended with another shell's output.
            if example.starts_with("echo 'source <(registrysync completions ") {
                continue;
            }
            let words = words(&example);
            assert_eq!(words[0], "registrysync", "{example}");
            if let Err(error) = Arguments::try_parse_from(&words) {
                panic!("`{example}`: {error}");
            }
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}
