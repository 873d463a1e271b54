//! Iterators that can be frozen.
//!
//! The iterators of std's collections cannot be serialised, and that of `a..=b` loses whether it has ended. A `for` loop of a
//! migratable function goes over these instead; [`iter`] makes one to be kept in a variable.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt;
use std::ops::{Range, RangeFrom, RangeInclusive};
use std::{array, option, vec};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can be gone through by an iterator that can be frozen.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no iterator that can be frozen",
    note = "collect it first: `.collect::<Vec<_>>()`"
)]
pub trait Iterate {
    /// What comes out.
    type Item;
    /// What is kept.
    type Iter: Iterator<Item = Self::Item>;

    /// Begins.
    fn iterate(self) -> Self::Iter;
}

/// An iterator over `over` that can be kept across a wait.
///
/// ```
/// let mut words = actor_core::migratable::iter::iter(vec!["a", "b"]);
/// assert_eq!(words.next(), Some("a"));
/// ```
pub fn iter<I: Iterate>(over: I) -> I::Iter {
    over.iterate()
}

/// The rest of a collection: those that are left, in their order.
#[derive(Clone)]
pub struct Rest<T>(vec::IntoIter<T>);

impl<T> From<Vec<T>> for Rest<T> {
    fn from(items: Vec<T>) -> Self {
        Rest(items.into_iter())
    }
}

impl<T: fmt::Debug> fmt::Debug for Rest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rest").field(&self.0.as_slice()).finish()
    }
}

impl<T> Iterator for Rest<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> DoubleEndedIterator for Rest<T> {
    fn next_back(&mut self) -> Option<T> {
        self.0.next_back()
    }
}

impl<T> ExactSizeIterator for Rest<T> {}

impl<T: Serialize> Serialize for Rest<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rest<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Rest::from)
    }
}

macro_rules! rest {
    ($([$($generics:tt)*] $over:ty => $item:ty, $this:ident => $items:expr;)*) => {$(
        impl<$($generics)*> Iterate for $over {
            type Item = $item;
            type Iter = Rest<$item>;

            fn iterate(self) -> Rest<$item> {
                let $this = self;
                Rest::from($items)
            }
        }
    )*};
}

rest! {
    [T] Vec<T> => T, v => v;
    [T] Box<[T]> => T, v => v.into_vec();
    [T] vec::IntoIter<T> => T, v => v.collect::<Vec<T>>(); // in place
    [T, const N: usize] [T; N] => T, v => Vec::from(v);
    [T, const N: usize] array::IntoIter<T, N> => T, v => v.collect::<Vec<T>>();
    [T] VecDeque<T> => T, v => Vec::from(v);
    [T] LinkedList<T> => T, v => v.into_iter().collect::<Vec<T>>();
    [T] BinaryHeap<T> => T, v => v.into_vec();
    [T] BTreeSet<T> => T, v => v.into_iter().collect::<Vec<T>>();
    [T, H] HashSet<T, H> => T, v => v.into_iter().collect::<Vec<T>>();
    [K, V] BTreeMap<K, V> => (K, V), v => v.into_iter().collect::<Vec<(K, V)>>();
    [K, V, H] HashMap<K, V, H> => (K, V), v => v.into_iter().collect::<Vec<(K, V)>>();
    [T] Option<T> => T, v => Vec::from_iter(v);
    [T] option::IntoIter<T> => T, v => Vec::from_iter(v);
    [T, E] Result<T, E> => T, v => Vec::from_iter(v);
}

impl<T> Iterate for Rest<T> {
    type Item = T;
    type Iter = Self;

    fn iterate(self) -> Self {
        self
    }
}

impl<A> Iterate for Range<A>
where
    Range<A>: Iterator,
{
    type Item = <Self as Iterator>::Item;
    type Iter = Self;

    #[inline]
    fn iterate(self) -> Self {
        self
    }
}

impl<A> Iterate for RangeFrom<A>
where
    RangeFrom<A>: Iterator,
{
    type Item = <Self as Iterator>::Item;
    type Iter = Self;

    #[inline]
    fn iterate(self) -> Self {
        self
    }
}

/// The rest of `a..=b`.
#[derive(Clone, Debug)]
pub struct Inclusive<A>(RangeInclusive<A>);

impl<A> Iterator for Inclusive<A>
where
    RangeInclusive<A>: Iterator,
{
    type Item = <RangeInclusive<A> as Iterator>::Item;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<A> DoubleEndedIterator for Inclusive<A>
where
    RangeInclusive<A>: DoubleEndedIterator,
{
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl<A: PartialOrd + Serialize> Serialize for Inclusive<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let left = (!self.0.is_empty()).then(|| (self.0.start(), self.0.end()));
        (left, self.0.end()).serialize(serializer)
    }
}

impl<'de, A> Deserialize<'de> for Inclusive<A>
where
    A: Deserialize<'de> + Clone,
    RangeInclusive<A>: Iterator,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (left, end): (Option<(A, A)>, A) = Deserialize::deserialize(deserializer)?;
        Ok(Inclusive(match left {
            Some((first, last)) => first..=last,
            None => {
                // One that has ended, of which there is no other way to make one.
                let mut spent = end.clone()..=end;
                let _ = spent.next();
                spent
            }
        }))
    }
}

impl<A> Iterate for RangeInclusive<A>
where
    RangeInclusive<A>: Iterator,
{
    type Item = <Self as Iterator>::Item;
    type Iter = Inclusive<A>;

    #[inline]
    fn iterate(self) -> Inclusive<A> {
        Inclusive(self)
    }
}

/// As `Iterator::enumerate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Enumerate<I> {
    n: usize,
    items: I,
}

impl<I: Iterator> Iterator for Enumerate<I> {
    type Item = (usize, I::Item);

    #[inline]
    fn next(&mut self) -> Option<(usize, I::Item)> {
        let item = self.items.next()?;
        let n = self.n;
        self.n += 1;
        Some((n, item))
    }
}

impl<I: DoubleEndedIterator + ExactSizeIterator> DoubleEndedIterator for Enumerate<I> {
    fn next_back(&mut self) -> Option<(usize, I::Item)> {
        let n = self.n + self.items.len().checked_sub(1)?;
        Some((n, self.items.next_back()?))
    }
}

/// As `Iterator::rev`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Rev<I> {
    items: I,
}

impl<I: DoubleEndedIterator> Iterator for Rev<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.items.next_back()
    }
}

/// As `Iterator::step_by`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct StepBy<I> {
    /// How many to pass over: none before the first.
    pass: usize,
    step: usize,
    items: I,
}

impl<I: Iterator> Iterator for StepBy<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        let pass = std::mem::replace(&mut self.pass, self.step - 1);
        self.items.nth(pass)
    }
}

/// As `Iterator::take`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Take<I> {
    left: usize,
    items: I,
}

impl<I: Iterator> Iterator for Take<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.left = self.left.checked_sub(1)?;
        self.items.next()
    }
}

/// As `Iterator::enumerate`, in the head of a `for`.
#[doc(hidden)]
pub fn enumerate<I: Iterator>(items: I) -> Enumerate<I> {
    Enumerate { n: 0, items }
}

/// As `Iterator::rev`.
#[doc(hidden)]
pub fn rev<I: DoubleEndedIterator>(items: I) -> Rev<I> {
    Rev { items }
}

/// As `Iterator::step_by`.
#[doc(hidden)]
#[track_caller]
pub fn step_by<I: Iterator>(items: I, step: usize) -> StepBy<I> {
    assert!(step != 0, "a step of zero");
    StepBy {
        pass: 0,
        step,
        items,
    }
}

/// As `Iterator::take`.
#[doc(hidden)]
pub fn take<I: Iterator>(items: I, n: usize) -> Take<I> {
    Take { left: n, items }
}

/// As `Iterator::skip`, but at once.
#[doc(hidden)]
pub fn skip<I: Iterator>(mut items: I, n: usize) -> I {
    if let Some(last) = n.checked_sub(1) {
        let _ = items.nth(last);
    }
    items
}

/// How a `for` begins to go over what is named here: by [`Iterate`].
#[doc(hidden)]
pub trait Ours {
    fn kind(&self) -> OurKind {
        OurKind
    }
}

impl<T: Iterate> Ours for T {}

/// And over anything else: as everywhere.
#[doc(hidden)]
pub trait Theirs {
    fn kind(&self) -> TheirKind {
        TheirKind
    }
}

impl<T: IntoIterator> Theirs for &T {}

#[doc(hidden)]
#[derive(Debug)]
pub struct OurKind;

impl OurKind {
    #[inline(always)]
    pub fn begin<T: Iterate>(self, over: T) -> T::Iter {
        over.iterate()
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct TheirKind;

impl TheirKind {
    #[inline(always)]
    pub fn begin<T: IntoIterator>(self, over: T) -> T::IntoIter {
        over.into_iter()
    }
}
