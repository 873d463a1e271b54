//! What `#[actor]` says to programs that are wrong: one case for each of its errors, in `ui/fail`. The cases in
//! `ui/pass` are right, and hold what a lint or a stray name in scope could break.
//!
//! After a change of wording: `TRYBUILD=overwrite cargo test -p actor-macros --test ui`, and read the difference.

#[test]
fn errors_point_at_the_users_token_and_say_the_rewrite() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
