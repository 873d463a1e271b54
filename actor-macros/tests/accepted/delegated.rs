//! Ports for answers: of generic actors, in generic answers, in any place among the parameters, by any path.
use std::collections::HashMap;
use std::hash::Hash;

use actor_core::Addr;
use actor_core::prelude::{Actor, Cx, System, actor};

#[actor]
#[derive(Default)]
pub struct Cache<K: Hash + Eq, V> {
    known: HashMap<K, V>,
    waiting: HashMap<K, Vec<actor_core::ReplyTo<Option<V>>>>,
}

#[actor]
impl<K, V, const N: usize> Cache<K, [V; N]>
where
    K: Hash + Eq + Send + 'static,
    V: Copy + Send + 'static,
{
    pub fn get(&mut self, reply: actor_core::ReplyTo<Option<[V; N]>>, key: K) {
        match self.known.get(&key) {
            Some(value) => drop(reply.send(Some(*value))),
            None => self.waiting.entry(key).or_default().push(reply),
        }
    }

    pub fn put(&mut self, key: K, value: [V; N]) {
        for reply in self.waiting.remove(&key).into_iter().flatten() {
            let _ = reply.send(Some(value));
        }
        self.known.insert(key, value);
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn pass(
        &mut self,
        cx: &mut Cx<Self>,
        to: Addr<Self>,
        key: K,
        _reply: actor_core::ReplyTo<Option<[V; N]>>,
    ) {
        assert!(cx.id() != to.id());
        _reply.forward(&to).get(key).unwrap();
    }

    pub fn size(&self, reply: actor_core::ReplyTo<std::io::Result<usize>>, to: Addr<Sizes>) {
        reply.forward(&to).size().unwrap();
    }
}

#[actor]
pub struct Sizes;

#[actor]
impl Sizes {
    pub fn size(&self) -> std::io::Result<usize> {
        Ok(3)
    }

    #[cfg(any())]
    pub fn size(&self, n: String) -> std::io::Result<usize> {
        Ok(n.len())
    }
}

fn spawn<A: Actor>(sys: &System, actor: A) -> Addr<A> {
    sys.spawn(actor).unwrap()
}

#[test]
fn runs() {
    let sys = System::new().unwrap();
    let cache = spawn(
        &sys,
        Cache::<String, [u8; 2]> {
            known: HashMap::new(),
            waiting: HashMap::new(),
        },
    );
    let front = spawn(
        &sys,
        Cache::<String, [u8; 2]> {
            known: HashMap::new(),
            waiting: HashMap::new(),
        },
    );
    let asked = front.request().pass(cache.clone(), "a".into());
    cache.tell().put("a".into(), [1, 2]).unwrap();
    assert_eq!(asked.wait().unwrap(), Some([1, 2]));
    assert_eq!(cache.ask().size(spawn(&sys, Sizes)).unwrap(), 3);
    assert_eq!(cache.ask().len().unwrap(), 1);
}
