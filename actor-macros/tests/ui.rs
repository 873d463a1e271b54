//! What `#[actor]` says to programs that are wrong: one case for each of its errors, in `ui/fail`. Right ones are in `accepted`.
//!
//! After a change of wording: `TRYBUILD=overwrite cargo test -p actor-macros --test ui`, and read the difference.

#[test]
fn errors_point_at_the_users_token_and_say_the_rewrite() {
    let cases = trybuild::TestCases::new();
    // They are checked, not built: a right one among them would change that.
    cases.compile_fail("tests/ui/fail/*.rs");
}
