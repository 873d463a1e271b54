//! Who listens to what: the state of the publish/subscribe actor.
//!
//! Subscribers are known by a number, and whoever owns this table keeps the way to reach each of them. [`Topics::publish`]
//! calls back once for each delivery, with a message that has been encoded once for all subscribers of a channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::glob;
use crate::reply;

/// A session.
pub type SubscriberId = u64;

/// The two ways to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// To a channel, by its name.
    Channel,
    /// To all channels that match a pattern.
    Pattern,
}

/// Names of channels, or patterns.
pub type Names = Vec<Box<[u8]>>;

/// A table from names (of channels, or patterns) to subscribers. Ordered, so that a replayed test sees the same order.
type Table = BTreeMap<Box<[u8]>, BTreeSet<SubscriberId>>;

/// All subscriptions.
#[derive(Debug, Default)]
pub struct Topics {
    channels: Table,
    patterns: Table,
}

impl Topics {
    fn table(&mut self, selector: Selector) -> &mut Table {
        match selector {
            Selector::Channel => &mut self.channels,
            Selector::Pattern => &mut self.patterns,
        }
    }

    /// Subscribes; false if it was subscribed before.
    pub fn subscribe(&mut self, selector: Selector, name: &[u8], who: SubscriberId) -> bool {
        let table = self.table(selector);
        match table.get_mut(name) {
            Some(subscribers) => subscribers.insert(who),
            None => table.insert(name.into(), BTreeSet::from([who])).is_none(),
        }
    }

    /// Unsubscribes; false if it was not subscribed.
    pub fn unsubscribe(&mut self, selector: Selector, name: &[u8], who: SubscriberId) -> bool {
        let table = self.table(selector);
        let Some(subscribers) = table.get_mut(name) else {
            return false;
        };
        let removed = subscribers.remove(&who);
        if subscribers.is_empty() {
            table.remove(name);
        }
        removed
    }

    /// Calls `deliver` with each subscriber and what to write to it, and returns how often. Who subscribed to the
    /// channel and to a matching pattern gets the message twice, as in Redis.
    pub fn publish(
        &self,
        channel: &[u8],
        message: &[u8],
        mut deliver: impl FnMut(SubscriberId, &Arc<[u8]>),
    ) -> usize {
        let mut count = 0;
        let mut send = |subscribers: &BTreeSet<SubscriberId>, push: Arc<[u8]>| {
            subscribers.iter().for_each(|&who| deliver(who, &push));
            count += subscribers.len();
        };
        if let Some(subscribers) = self.channels.get(channel) {
            send(subscribers, encode(&[b"message", channel, message]));
        }
        for (pattern, subscribers) in &self.patterns {
            if glob::matches(pattern, channel) {
                send(
                    subscribers,
                    encode(&[b"pmessage", pattern, channel, message]),
                );
            }
        }
        count
    }

    /// `PUBSUB CHANNELS`: appends the names of the channels that have subscribers and match `pattern`.
    pub fn channels(&self, pattern: Option<&[u8]>, out: &mut Vec<u8>) {
        let fits = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name));
        let names: Vec<_> = self.channels.keys().filter(|name| fits(name)).collect();
        reply::array(out, names.len());
        names.iter().for_each(|name| reply::bulk(out, name));
    }

    /// `PUBSUB NUMSUB`: appends each name with the number of its subscribers.
    pub fn num_sub<'a>(&self, names: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
        reply::array(out, names.len() * 2);
        for name in names {
            reply::bulk(out, name);
            reply::count(out, self.channels.get(name).map_or(0, BTreeSet::len));
        }
    }

    /// `PUBSUB NUMPAT`: how many different patterns are subscribed to.
    pub fn num_pat(&self) -> usize {
        self.patterns.len()
    }
}

fn encode(parts: &[&[u8]]) -> Arc<[u8]> {
    let mut out = Vec::new();
    reply::array(&mut out, parts.len());
    parts.iter().for_each(|part| reply::bulk(&mut out, part));
    out.into()
}

/// One session's own subscriptions: what it needs to confirm them, and to leave when it ends.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: BTreeSet<Box<[u8]>>,
    patterns: BTreeSet<Box<[u8]>>,
}

impl Subscriptions {
    /// How many there are; while there are any, a client may only subscribe, unsubscribe, ping and leave.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// To how many channels and to how many patterns.
    pub fn counts(&self) -> (usize, usize) {
        (self.channels.len(), self.patterns.len())
    }

    fn set(&mut self, selector: Selector) -> &mut BTreeSet<Box<[u8]>> {
        match selector {
            Selector::Channel => &mut self.channels,
            Selector::Pattern => &mut self.patterns,
        }
    }

    /// Adds a subscription and appends its confirmation; true if it is new, and the [`Topics`] are to be told.
    pub fn subscribe(&mut self, selector: Selector, name: &[u8], out: &mut Vec<u8>) -> bool {
        let new = self.set(selector).insert(name.into());
        let kind = if selector == Selector::Channel {
            "subscribe"
        } else {
            "psubscribe"
        };
        self.confirm(kind, Some(name), out);
        new
    }

    /// Removes a subscription and appends the confirmation; true if there was one, and the [`Topics`] are to be told.
    pub fn unsubscribe(&mut self, selector: Selector, name: &[u8], out: &mut Vec<u8>) -> bool {
        let removed = self.set(selector).remove(name);
        self.confirm(unsubscribed(selector), Some(name), out);
        removed
    }

    /// Removes all subscriptions of a kind, appends the confirmations and returns the names. Without any there is
    /// still one confirmation, of nothing.
    pub fn unsubscribe_all(&mut self, selector: Selector, out: &mut Vec<u8>) -> Names {
        let names: Vec<_> = self.set(selector).iter().cloned().collect();
        for name in &names {
            self.unsubscribe(selector, name, out);
        }
        if names.is_empty() {
            self.confirm(unsubscribed(selector), None, out);
        }
        names
    }

    /// The names of the channels and of the patterns.
    pub fn into_names(self) -> (Names, Names) {
        let names = |set: BTreeSet<_>| set.into_iter().collect();
        (names(self.channels), names(self.patterns))
    }

    fn confirm(&self, kind: &str, name: Option<&[u8]>, out: &mut Vec<u8>) {
        reply::array(out, 3);
        reply::bulk(out, kind);
        reply::bulk_or_nil(out, name);
        reply::count(out, self.count());
    }
}

fn unsubscribed(selector: Selector) -> &'static str {
    if selector == Selector::Channel {
        "unsubscribe"
    } else {
        "punsubscribe"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_patterns_deliver() {
        let mut topics = Topics::default();
        assert!(topics.subscribe(Selector::Channel, b"news", 1));
        assert!(!topics.subscribe(Selector::Channel, b"news", 1));
        assert!(topics.subscribe(Selector::Pattern, b"n*", 1));
        assert!(topics.subscribe(Selector::Pattern, b"x*", 2));
        let mut seen = Vec::new();
        assert_eq!(
            topics.publish(b"news", b"hi", |who, push| seen.push((who, push.to_vec()))),
            2
        );
        assert_eq!(
            seen,
            [
                (
                    1,
                    b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n".to_vec()
                ),
                (
                    1,
                    b"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n".to_vec()
                ),
            ]
        );
        assert_eq!(topics.num_pat(), 2);
        assert!(topics.unsubscribe(Selector::Channel, b"news", 1));
        assert!(!topics.unsubscribe(Selector::Channel, b"news", 1));
        let mut out = Vec::new();
        topics.channels(None, &mut out);
        topics.num_sub([&b"news"[..]].into_iter(), &mut out);
        assert_eq!(out, b"*0\r\n*2\r\n$4\r\nnews\r\n:0\r\n");
    }

    #[test]
    fn confirmations_count_both_kinds() {
        let mut own = Subscriptions::default();
        let mut out = Vec::new();
        assert!(own.subscribe(Selector::Channel, b"a", &mut out));
        assert!(own.subscribe(Selector::Pattern, b"p*", &mut out));
        assert_eq!(out, b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:2\r\n");
        out.clear();
        assert_eq!(
            own.unsubscribe_all(Selector::Channel, &mut out),
            [b"a"[..].into()]
        );
        assert_eq!(own.unsubscribe_all(Selector::Channel, &mut out), []);
        assert_eq!(out, b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
    }
}
