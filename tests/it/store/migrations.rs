//! The files in `migrations/`.

use std::path::Path;

/// The names of what is in a folder, in the order in which migrations are applied.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .map(|name| name.expect("UTF-8"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn migrations_are_numbered_alike_on_both_databases_and_go_forward_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let [sqlite, postgres] = ["sqlite", "postgres"].map(|backend| names(&root.join(backend)));
    assert_eq!(sqlite, postgres);
    // `DATE-NUMBER_NAME`, the date as YYYY-MM-DD.
    let number = |name: &String| -> u32 {
        let number = name.get(11..17).and_then(|digits| digits.parse().ok());
        number.unwrap_or_else(|| panic!("`{name}` has no number of six digits"))
    };
    let numbers: Vec<u32> = sqlite.iter().map(number).collect();
    assert!(
        numbers.is_sorted_by(|one, next| one < next),
        "dates and numbers ascend together: {sqlite:?}"
    );
    for (backend, name) in ["sqlite", "postgres"]
        .iter()
        .flat_map(|backend| sqlite.iter().map(move |name| (backend, name)))
    {
        let files = names(&root.join(backend).join(name));
        assert_eq!(files, ["up.sql"], "{backend}/{name}");
    }
}
