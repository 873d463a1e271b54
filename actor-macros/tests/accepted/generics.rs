//! Generic actors: their enums are generic over what their messages, or answers, mention.
use std::collections::BTreeMap;
use std::fmt::Debug;

use actor_core::prelude::*;

#[actor(mailbox = 8)]
struct Cache<K, V = u8, const N: usize = 4>
where
    K: Ord,
{
    map: BTreeMap<K, V>,
}

trait Named {
    type Name: Send + Clone + 'static;
}

#[actor]
impl<K, V, const N: usize> Cache<K, V, N>
where
    K: Ord + Send + Named + 'static,
    V: Clone + Send + 'static,
    Vec<V>: Debug,
{
    #[on_start]
    fn open(&mut self, cx: &mut Cx<Self>) -> Result<(), String> {
        let _ = cx;
        Ok(())
    }
    pub fn put(&mut self, key: K, name: K::Name) -> Option<K::Name> {
        let _ = key;
        Some(name)
    }
    pub fn first(&mut self, many: [K; N]) -> Option<V> {
        let _ = many;
        self.map.values().next().cloned()
    }
    pub fn peer(&self, other: Addr<Self>) -> Addr<Self> {
        other
    }
    pub fn call(&mut self, with: Box<dyn FnOnce(&mut Self) -> V + Send>) -> V {
        with(self)
    }
    pub fn from(&mut self, #[from] all: Vec<K>) {
        let _ = all;
    }
}

impl Named for u8 {
    type Name = String;
}

fn check(cache: &Addr<Cache<u8, String, 2>>) -> Result<(), Box<dyn std::error::Error>> {
    let _: CacheMsg<u8, String, 2> = CacheMsg::Put {
        key: 1,
        name: String::new(),
    };
    let _: Option<String> = cache.ask().put(1, "a".to_owned())?;
    let _: Option<String> = cache.request().first([1, 2]).wait()?;
    let _: Recipient<Vec<u8>> = cache.recipient();
    if let CacheReply::First(value) = cache.call(CacheMsg::First { many: [1, 2] })? {
        let _: Option<String> = value;
    }
    Ok(())
}

#[test]
fn compiles() {
    let _ = check;
}
