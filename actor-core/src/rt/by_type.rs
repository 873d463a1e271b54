//! A table by type, of what is made once for each type and stays: found without a lock, as whoever starts an actor looks here.

use std::any::{Any, TypeId};
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

/// Places in a table.
const PLACES: usize = 64;
/// Places that a type may be in. If none of them is its own, it is in the next table.
const PROBES: usize = 4;

/// At most one `V` for each type.
pub(crate) struct ByType<V: ?Sized> {
    places: [OnceLock<Box<V>>; PLACES],
    next: OnceLock<Box<ByType<V>>>,
}

impl<V: ?Sized> Default for ByType<V> {
    fn default() -> Self {
        ByType {
            places: [const { OnceLock::new() }; PLACES],
            next: OnceLock::new(),
        }
    }
}

impl<V: ?Sized> ByType<V> {
    /// The one that is a `T`, made now if there is none. `as_any` gives one as what it is; `make`, which does not come back here, makes
    /// one that is a `T`.
    ///
    /// All look for a type in the same places in the same order, and a place that is taken stays so: there are no two for a type.
    #[inline]
    pub(crate) fn get_or_make<T: 'static>(
        &self,
        as_any: impl Fn(&V) -> &dyn Any,
        make: impl Fn() -> Box<V>,
    ) -> &T {
        let hash = hash(TypeId::of::<T>());
        let mut table = self;
        loop {
            for probe in 0..PROBES {
                let place = &table.places[hash.wrapping_add(probe) % PLACES];
                if let Some(found) = as_any(place.get_or_init(&make)).downcast_ref() {
                    return found;
                }
            }
            table = table.next.get_or_init(Box::default);
        }
    }

    /// All that there are now.
    pub(crate) fn each(&self, mut f: impl FnMut(&V)) {
        let mut table = Some(self);
        while let Some(ByType { places, next }) = table {
            places
                .iter()
                .filter_map(OnceLock::get)
                .for_each(|one| f(one));
            table = next.get().map(|next| &**next);
        }
    }
}

#[inline]
fn hash(ty: TypeId) -> usize {
    let mut hasher = TypeIdHasher(0);
    ty.hash(&mut hasher);
    hasher.finish() as usize
}

/// A `TypeId` is a hash already.
struct TypeIdHasher(u64);

impl Hasher for TypeIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{ByType, PLACES};
    use std::any::Any;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A type for each number.
    struct Nth<const N: usize>(usize);

    type Table = ByType<dyn Any + Send + Sync>;

    fn nth<'a, const N: usize>(table: &'a Table, made: &AtomicUsize) -> &'a Nth<N> {
        table.get_or_make(
            |it| it,
            || Box::new(Nth::<N>(made.fetch_add(1, Ordering::Relaxed))),
        )
    }

    macro_rules! ten {
        ($table:expr, $made:expr, $($tens:literal)*) => {
            [$(
                nth::<{ 10 * $tens }>($table, $made).0, nth::<{ 10 * $tens + 1 }>($table, $made).0,
                nth::<{ 10 * $tens + 2 }>($table, $made).0, nth::<{ 10 * $tens + 3 }>($table, $made).0,
                nth::<{ 10 * $tens + 4 }>($table, $made).0, nth::<{ 10 * $tens + 5 }>($table, $made).0,
                nth::<{ 10 * $tens + 6 }>($table, $made).0, nth::<{ 10 * $tens + 7 }>($table, $made).0,
                nth::<{ 10 * $tens + 8 }>($table, $made).0, nth::<{ 10 * $tens + 9 }>($table, $made).0,
            )*]
        };
    }

    #[test]
    fn each_type_has_one_also_where_they_are_more_than_a_table_holds() {
        let (table, made) = (Table::default(), AtomicUsize::new(0));
        let look = || ten!(&table, &made, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        let (before, after) = std::thread::scope(|scope| {
            let both = [scope.spawn(look), scope.spawn(look)];
            let [one, other] = both.map(|it| it.join().unwrap());
            (one, other)
        });
        assert_eq!(before, after);
        assert!(before.len() > 2 * PLACES);
        let mut all = 0;
        table.each(|_| all += 1);
        assert_eq!(all, before.len());
        assert_eq!(made.into_inner(), all);
    }
}
