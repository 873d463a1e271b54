use actor_core::migratable;

#[migratable]
fn borrowed(name: &str) {}

#[migratable]
fn unnamed(values: impl Iterator<Item = u8>) {}

#[migratable]
fn lifetime<'a>(n: u8) {}

#[migratable]
fn borrows_out(n: u8) -> &u8 {
    &n
}

#[migratable]
fn unnamed_out(n: u8) -> impl Iterator<Item = u8> {
    0..n
}

struct Shop;

impl Shop {
    #[migratable]
    fn method(&self) {}
}

fn main() {}
