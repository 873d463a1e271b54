use actor_core::prelude::*;

#[protocol]
pub trait Greeter {
    fn greet(&self);
}

#[actor]
pub struct A;

#[actor]
impl A {
    pub fn take(&self, #[from] n: u8) {
        let _ = n;
    }
}

fn narrow(a: &Addr<A>) {
    let _: AddrOf<dyn Greeter> = a.narrow();
    let _: Recipient<u16> = a.recipient();
}

fn main() {}
