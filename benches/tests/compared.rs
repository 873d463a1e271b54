//! The page that shows the same actor in four frameworks shows the programs that are compiled here.

const PAGE: &str = include_str!("../../actor-core/docs/compared.md");

#[test]
fn the_page_shows_the_programs_that_are_compiled() {
    for (name, program) in [
        ("actix", include_str!("../counter/actix.rs")),
        ("kameo", include_str!("../counter/kameo.rs")),
        ("ours", include_str!("../counter/ours.rs")),
        ("ractor", include_str!("../counter/ractor.rs")),
    ] {
        let start = program.find("\nuse ").expect("it uses something") + 1;
        let shown = &program[start..];
        assert!(
            PAGE.contains(shown),
            "counter/{name}.rs is not what is shown"
        );
        let lines = shown.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(
            PAGE.contains(&format!(": {lines} lines\n")),
            "counter/{name}.rs has {lines} lines"
        );
    }
}
