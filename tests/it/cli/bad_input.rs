//! Input refused before any request to a registry: exit code 2 and a line with the place and the
//! reason.

use super::Desk;

#[test]
fn a_file_is_refused_with_its_line_and_the_nearest_key() {
    let desk = Desk::new();
    for (text, words) in [
        (
            "r.example:\n  images:\n    app: []\n  images-by-tag-regexp:\n    app: x\n",
            &[
                "line 4",
                "`images-by-tag-regexp`",
                "did you mean `images-by-tag-regex`?",
            ][..],
        ),
        (
            "r.example:\n  images-by-tag-regex:\n    app: 'a(b'\n",
            &["line 3", "a(b"],
        ),
        (
            "r.example:\n  images:\n    app: ['>1.0']\n",
            &["line 3", ">1.0", "`images-by-semver`"],
        ),
        (
            "r.example:\n  images:\n    UPPER: []\n",
            &["line 3", "UPPER", "repository"],
        ),
        ("r.example: {}\n", &["selects nothing"]),
        ("", &["selects nothing"]),
    ] {
        let file = desk.file("mirror.yml", text);
        let said = desk.run(&["sync", &file, "--to", "r2.example"]).ended(2);
        assert!(said.out.is_empty());
        for word in words.iter().chain(&["mirror.yml"]) {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    let said = desk
        .run(&["sync", "gone.yml", "--to", "r2.example"])
        .ended(2);
    assert!(said.err.contains("`gone.yml`"), "{}", said.err);
}

/// A run between two registries, to which arguments are added.
const BASE: [&str; 7] = [
    "sync",
    "--from",
    "r.example",
    "--to",
    "r2.example",
    "--repository",
    "app",
];

/// A run within one registry.
const WITHIN: [&str; 7] = [
    "sync",
    "--from",
    "r.example",
    "--to",
    "r.example",
    "--repository",
    "app",
];

#[test]
fn limits_names_and_forms_are_refused_with_the_flag() {
    let desk = Desk::new();
    for (more, words) in [
        (
            &["--newest", "0"][..],
            "'0' for '--newest <N>': expected a number from 1 to 1000000",
        ),
        (
            &["--newest", "-1"],
            "'-1' for '--newest <N>': expected a number from 1 to 1000000",
        ),
        (
            &["--newer-than-days", "-5"],
            "'-5' for '--newer-than-days <D>': expected a number from 1 to 36500",
        ),
        (
            &["--max-names", "-5"],
            "'-5' for '--max-names <N>': expected a number from 1",
        ),
        (&["--newest-by", "created"], "--newest <N>"),
        (
            &["--newest", "2", "--newest-by", "age"],
            "expected `version` or `created`",
        ),
        (
            &["--tag", "1", "--newer-than-days", "7"],
            "`--newer-than-days`: `7`: it limits what a pattern",
        ),
        (
            &["--tag-exclude-regex", ".*"],
            "`--tag-exclude-regex`: `.*`: it excludes every tag",
        ),
        (
            &["--target-tag", "{name}"],
            "expected `{tag}`, `{date}`, `{digest}` in braces",
        ),
        (
            &["--target-tag", "prod"],
            "`--target-tag`: `prod` is the same name for every tag that `app` selects",
        ),
        (&["--index", "sparse"], "--architecture <A>"),
        (
            &["--architecture", "arm64", "--index", "keep"],
            "it copies all platforms; leave out `--architecture`",
        ),
    ] {
        let said = desk.run(&[&BASE[..], more].concat()).ended(2);
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    // A pattern would select the copies of the run before.
    let renamed = [&WITHIN[..], &["--target-tag", "{tag}-x"]].concat();
    let said = desk.run(&renamed).ended(2);
    assert!(said.err.contains("are the same place"), "{}", said.err);
}

#[test]
fn arguments_are_refused_with_the_field() {
    let desk = Desk::new();
    for (more, words) in [
        (
            &["--tag-regex", "a(b"][..],
            &["`--tag-regex`", "a(b", "character 2"][..],
        ),
        (&["--tag-exclude-regex", "["], &["`--tag-exclude-regex`"]),
        (&["--semver", ">2 <1"], &["`--semver`", "no version"]),
        (&["--semver", "banana"], &["semver", "banana"]),
        (&["--tag", "a b"], &["`--tag`", "a b"]),
        (&["--architecture", "arm 64"], &["arm 64"]),
        (
            &["--placement", "sideways"],
            &[
                "'sideways' for",
                ">': expected `path`, `flat`, `scoped`, or a template",
            ],
        ),
        (
            &["--architecture", "amd46"],
            &["'amd46' for", ">': did you mean `amd64`?"],
        ),
        (
            &["--max-names", "x"],
            &["expected a number from 1 to 10000000"],
        ),
        // A shell's unset variable must not select everything.
        (&["--semver", ""], &["'--semver <RANGE>'"]),
        (&["--tag-regex", ""], &["'--tag-regex <RE>'"]),
        (
            &["--tag", "1", "--tag-exclude-regex", ""],
            &["'--tag-exclude-regex <RE>'"],
        ),
    ] {
        let said = desk.run(&[&BASE[..], more].concat()).ended(2);
        for word in words {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
    }
    for (arguments, word) in [
        (
            &["sync", "--from", "r.example", "--to", "r2.example"][..],
            "--repository",
        ),
        (&["sync", "--to", "r2.example"], "FILE"),
        (
            &[
                "sync",
                "--from",
                "ftp://x",
                "--to",
                "r2.example",
                "--repository",
                "a",
            ],
            "https://",
        ),
        (
            &[
                "sync",
                "--from",
                "u:p4ss@x",
                "--to",
                "r2.example",
                "--repository",
                "a",
            ],
            "credentials",
        ),
        (
            &[
                "sync",
                "--from",
                "r.example",
                "--to",
                "r2.example",
                "--repository",
                "",
            ],
            "empty",
        ),
        (&["list-tags", "r.example/UPPER"], "upper-case"),
        (&["list-tags", "r.example/app", "--semver", ""], "--semver"),
        (
            &["list-tags", "r.example/app", "--ca-certificate", "gone"],
            "`--ca-certificate`: `gone`: ",
        ),
    ] {
        let said = desk.run(arguments).ended(2);
        assert!(said.err.contains(word), "{word}: {}", said.err);
        assert!(!said.err.contains("p4ss"), "{}", said.err);
    }
}

/// An auth file that can't be read is named; its content isn't shown.
#[test]
fn a_bad_auth_file_is_named() {
    let desk = Desk::new();
    let file = desk.file("auth.json", r#"{"auths": {"r.example": {"auth": "s3cret"#);
    let mut command = desk.command();
    command.args([
        "sync",
        "--from",
        "r.example",
        "--to",
        "r2.example",
        "--repository",
        "app",
    ]);
    let said = super::said(command.env("REGISTRY_AUTH_FILE", &file)).ended(2);
    assert!(
        said.err.contains("auth.json") && !said.err.contains("s3cret"),
        "{}",
        said.err
    );
}

#[test]
fn a_source_that_is_the_target_is_refused_before_anything_is_asked() {
    let desk = Desk::new();
    let file = desk.file("mirror.yml", "r.example:\n  images:\n    team/app: []\n");
    for arguments in [
        &WITHIN[..],
        // The same place in another spelling.
        &["sync", &file, "--to", "https://r.example:443/team"],
        &["sync", &file, "--to", "r.example/team", "--dry-run"],
    ] {
        let said = desk.run(arguments).ended(2);
        for word in [
            "source and target are the same",
            "`--to`",
            "`--placement`",
            "app`",
        ] {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
    }
}

/// It is taken as FILE, which nobody has meant.
#[test]
fn a_word_too_many_is_explained() {
    let desk = Desk::new();
    for words in [
        ["--tag", "1.0,", "1.1"],
        ["--tag=1", "--referrers", "signature"],
    ] {
        let said = desk.run(&[&BASE[..], &words[..]].concat()).ended(2);
        for part in [
            "a word without a flag is taken as FILE",
            "`--referrers` its types after `=`",
        ] {
            assert!(said.err.contains(part), "{}", said.err);
        }
    }
    let other = ["--tag", "1", "--plan", "monday.plan"];
    let said = desk.run(&[&BASE[..], &other[..]].concat()).ended(2);
    assert!(!said.err.contains("taken as FILE"), "{}", said.err);
}
