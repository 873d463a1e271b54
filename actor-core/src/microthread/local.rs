//! [`LocalKey`]: the public side of [`crate::rt::locals`].

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rt::locals::{self, Found};

/// Numbers given to keys; 0 means none.
static LAST: AtomicUsize = AtomicUsize::new(0);

/// A value of which each microthread has its own: `std::thread::LocalKey` for microthreads. Made by
/// [`microthread_local!`](crate::microthread_local).
///
/// The value is made when a microthread first uses the key, and dropped when the microthread ends, also by a panic or a
/// kill, before its end shows to a joiner. Destructors may block. The order in which a microthread's values are dropped is
/// not specified. A stack that overflows into its guard page takes its values with it.
///
/// - *On an ordinary OS thread* the value belongs to the thread.
/// - *In an actor with message methods* it belongs to one activation: the handlers of messages handled in one go share it,
///   and when the actor becomes idle, or has handled a batch, it is dropped. An actor's lasting state is in its fields. *In an
///   actor with a `run` body* it lasts as long as the actor.
///
/// ```
/// use actor_core::{Runtime, microthread};
/// use std::cell::Cell;
///
/// actor_core::microthread_local! {
///     static DEPTH: Cell<u32> = Cell::new(0);
/// }
///
/// let rt = Runtime::new()?;
/// let ends: Vec<_> = (1..=3)
///     .map(|n| {
///         rt.spawn(move || {
///             for _ in 0..n {
///                 DEPTH.set(DEPTH.get() + 1);
///                 microthread::yield_now();
///             }
///             DEPTH.get()
///         })
///     })
///     .collect::<Result<_, _>>()?;
/// let depths: Vec<_> = ends.into_iter().map(|end| end.join().unwrap()).collect();
/// assert_eq!(depths, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
    number: AtomicUsize,
}

/// A local was used after it had been dropped, while its microthread or thread was ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the microthread-local has been dropped: its microthread is ending")
    }
}

impl Error for AccessError {}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn __new(init: fn() -> T) -> Self {
        LocalKey {
            init,
            number: AtomicUsize::new(0),
        }
    }

    /// Where its value is in each table.
    fn number(&'static self) -> usize {
        match self.number.load(Ordering::Relaxed) {
            0 => self.first_use(),
            number => number - 1,
        }
    }

    #[cold]
    fn first_use(&'static self) -> usize {
        let mine = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let set = self
            .number
            .compare_exchange(0, mine, Ordering::Relaxed, Ordering::Relaxed);
        // A number that came second is never used.
        set.map_or_else(|first| first, |_| mine) - 1
    }

    /// Calls `f` with the value, making it if this is the first use.
    ///
    /// # Panics
    /// If the value has been dropped; see [`try_with`](Self::try_with). If the initialiser panics.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with the value, making it if this is the first use.
    ///
    /// # Errors
    /// [`AccessError`] in a destructor of another local, if this one has been dropped before.
    ///
    /// # Panics
    /// If the initialiser panics.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let number = self.number();
        let found = match locals::find(number) {
            // The initialiser may use other keys, and may block. If it uses this one, that value is first.
            Found::Unused => locals::put(number, Rc::new((self.init)())),
            found => found,
        };
        let Found::Value(value) = found else {
            return Err(AccessError);
        };
        let value: &dyn Any = &*value;
        let value = value.downcast_ref::<T>();
        Ok(f(value.expect("a number belongs to one key")))
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Replaces the value.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// A copy of the value.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// The value; the default stays.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Replaces the value and gives the old one.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with the value borrowed.
    ///
    /// # Panics
    /// As [`with`](Self::with), and if the value is borrowed mutably.
    #[track_caller]
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value borrowed mutably.
    ///
    /// # Panics
    /// As [`with`](Self::with), and if the value is borrowed.
    #[track_caller]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Replaces the value.
    ///
    /// # Panics
    /// As [`with`](Self::with), and if the value is borrowed.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        drop(self.replace(value));
    }

    /// The value; the default stays.
    ///
    /// # Panics
    /// As [`with`](Self::with), and if the value is borrowed.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Replaces the value and gives the old one.
    ///
    /// # Panics
    /// As [`with`](Self::with), and if the value is borrowed.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// Declares [`LocalKey`](crate::microthread::LocalKey)s, as `std::thread_local!` does for threads.
///
/// ```
/// use std::cell::RefCell;
///
/// actor_core::microthread_local! {
///     /// What has been seen.
///     pub static SEEN: RefCell<Vec<u32>> = RefCell::new(Vec::new());
///     static NAME: String = "nobody".to_string();
/// }
/// SEEN.with_borrow_mut(|seen| seen.push(1));
/// assert_eq!(NAME.with(String::len) + SEEN.take().len(), 7);
/// ```
#[macro_export]
macro_rules! microthread_local {
    ($($(#[$meta:meta])* $vis:vis static $name:ident: $type:ty = $init:expr);* $(;)?) => {
        $(
            $(#[$meta])*
            $vis static $name: $crate::microthread::LocalKey<$type> = {
                fn init() -> $type {
                    $init
                }
                $crate::microthread::LocalKey::__new(init)
            };
        )*
    };
}
