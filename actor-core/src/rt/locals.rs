//! Microthread-locals: where the values are, and when they are dropped.
//!
//! A key (`microthread::LocalKey`) has a number, given at its first use and the same in every microthread; the values of
//! one microthread are a table by that number, made when it first uses a key, which hangs off its stack's parker. What uses
//! no key pays one look at a pointer, where it ends.
//!
//! # The end
//! 1. The task's body has returned or unwound; the task is still current, so destructors may block.
//! 2. Each value is dropped, its place marked as *gone* before. A destructor may use other keys: those that are gone say so;
//!    those that were never used are made, and dropped in turn.
//! 3. The table goes.
//!
//! A value is reached through a counted reference of its own, so one that is in use when its place is emptied lives until
//! that use is over. Tables never leave their thread, as stacks do not.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;

use super::park::{self, Parker};
use super::task::drop_quietly;

enum Place {
    Unused,
    Value(Rc<dyn Any>),
    Gone,
}

/// The values of one microthread or thread.
#[derive(Default)]
pub(crate) struct Locals {
    places: RefCell<Vec<Place>>,
    /// Some destructor may be running (step 2).
    ending: Cell<bool>,
}

/// What there is under a number.
pub(crate) enum Found {
    Value(Rc<dyn Any>),
    Unused,
    /// It has been dropped: the microthread is ending.
    Gone,
}

thread_local! {
    /// Of code that is on no stack of ours.
    static THREAD: ThreadLocals = ThreadLocals(Rc::default());
}

/// Ends the table with the thread.
struct ThreadLocals(Rc<Locals>);

impl Drop for ThreadLocals {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The table of the calling code. `None`: it is a thread that is ending.
fn current() -> Option<Rc<Locals>> {
    match park::on_stack() {
        Some(parker) => {
            let cell = &parker.local().locals;
            let locals = cell.take().unwrap_or_default();
            cell.set(Some(locals.clone()));
            Some(locals)
        }
        None => THREAD.try_with(|thread| thread.0.clone()).ok(),
    }
}

/// What is under `number` for the calling code.
pub(crate) fn find(number: usize) -> Found {
    let Some(locals) = current() else {
        return Found::Gone;
    };
    match locals.places.borrow().get(number) {
        Some(Place::Value(value)) => Found::Value(value.clone()),
        Some(Place::Gone) => Found::Gone,
        Some(Place::Unused) | None => Found::Unused,
    }
}

/// Puts `value` under `number`, for the calling code. What is there already is given instead.
pub(crate) fn put(number: usize, value: Rc<dyn Any>) -> Found {
    let Some(locals) = current() else {
        return Found::Gone;
    };
    let mut places = locals.places.borrow_mut();
    if places.len() <= number {
        places.resize_with(number + 1, || Place::Unused);
    }
    match &places[number] {
        Place::Value(first) => Found::Value(first.clone()),
        Place::Gone => Found::Gone,
        Place::Unused => {
            places[number] = Place::Value(value.clone());
            Found::Value(value)
        }
    }
}

impl Locals {
    /// Step 2. A panic of a destructor ends there.
    fn end(&self) {
        if self.ending.replace(true) {
            return;
        }
        loop {
            let taken = {
                let mut places = self.places.borrow_mut();
                let value = places
                    .iter_mut()
                    .rev()
                    .find(|place| matches!(place, Place::Value(_)));
                value.map(|place| mem::replace(place, Place::Gone))
            };
            match taken {
                Some(value) => drop_quietly(value),
                None => return,
            }
        }
    }
}

/// The task on the calling stack ends: drops its values. On its stack, outside any unwinding.
#[inline]
pub(crate) fn end_of_task() {
    if let Some(parker) = park::on_stack() {
        end_of_task_on(parker);
    }
}

/// As [`end_of_task`], on the stack of `parker`.
#[inline(always)]
pub(crate) fn end_of_task_on(parker: &'static Parker) {
    if parker.local().has_locals() {
        end(parker);
    }
}

#[cold]
#[inline(never)]
fn end(parker: &'static Parker) {
    let cell = &parker.local().locals;
    if let Some(locals) = cell.take() {
        cell.set(Some(locals.clone()));
        locals.end();
        cell.set(None); // step 3
    }
}
