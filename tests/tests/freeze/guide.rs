//! The chapter of the guide: what it says is shown by a test is shown by one.

use std::fs;
use std::path::Path;

const CHAPTER: &str = include_str!("../../../actor-core/docs/moving.md");

/// The text of all sources below.
fn sources(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|it| it == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// What stands in the last column of the tables, in backticks, and is a word with underscores.
fn named() -> Vec<&'static str> {
    let rows = CHAPTER.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.strip_suffix(" |")?.rsplit(" | ").next());
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let is_name =
        |word: &&str| word.contains('_') && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    words.filter(is_name).collect()
}

#[test]
fn each_test_that_the_chapter_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&root.join("tests"), &mut text);
    sources(&root.join("../actor-core/src"), &mut text);
    let named = named();
    assert!(named.len() > 60, "{}", named.len());
    for name in named {
        let program = root.join(format!("../actor-macros/tests/ui/fail/{name}.rs"));
        assert!(
            program.exists()
                || text.contains(&format!("\nfn {name}("))
                || text.contains(&format!("    fn {name}(")),
            "there is no test `{name}`"
        );
    }
}
