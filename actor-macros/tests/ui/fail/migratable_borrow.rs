use actor_core::{microthread, migratable};

#[migratable]
fn borrows(words: Vec<String>) -> usize {
    let first = &words[0];
    microthread::yield_now();
    first.len()
}

#[migratable]
fn iterates(words: Vec<String>) -> usize {
    let mut n = 0;
    for word in &words {
        microthread::yield_now();
        n += word.len();
    }
    n
}

fn main() {}
