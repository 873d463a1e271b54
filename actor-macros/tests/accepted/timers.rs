//! Messages that time sends: of generic actors, with parameters that are not `Clone` (which cannot be repeated), and with names
//! that the generated code uses too.
use std::time::Duration;

use actor_core::prelude::{Addr, Cx, ReplyTo, System, Timer, actor};

pub struct NotClone;

#[actor]
pub struct Box2<T, const N: usize>(Option<[T; N]>);

#[actor]
impl<T, const N: usize> Box2<T, N>
where
    T: Send + 'static,
{
    pub fn put(&mut self, cx: &mut Cx<Self>, value: [T; N], _not: NotClone) {
        cx.after(Duration::ZERO).done(value, None);
    }
    pub fn done(&mut self, cx: &mut Cx<Self>, value: [T; N], set: Option<&'static str>) {
        assert!(set.is_none());
        self.0 = Some(value);
        cx.stop();
    }
    pub fn set(&mut self, timing: u8, addr: String, after: Vec<u8>, reply: ReplyTo<u8>) {
        let _ = (addr, after, reply.send(timing));
    }
    #[cfg(any())]
    pub fn gone(&mut self, missing: Missing) {}
}

fn later<T: Send + Clone + 'static, const N: usize>(to: &Addr<Box2<T, N>>, value: [T; N]) -> Timer {
    to.every(Duration::from_millis(1)).done(value, None)
}

#[test]
fn runs() {
    let sys = System::new().unwrap();
    let boxed = sys.spawn(Box2::<u8, 2>(None)).unwrap();
    let timer = boxed
        .every(Duration::from_secs(9))
        .set(1, "a".into(), vec![]);
    assert!(timer.is_set());
    boxed.after(Duration::ZERO).put([1, 2], NotClone);
    boxed.join();
    assert!(!timer.is_set());
    let boxed = sys.spawn(Box2::<String, 1>(None)).unwrap();
    drop(later(&boxed, ["a".to_owned()]));
    boxed.join();
}
