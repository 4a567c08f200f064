//! The panic firewall: the only `catch_unwind` of the project.
//!
//! Unguarded, a panic in a call across the boundary exits the process, and one in the drop of a future
//! aborts it. Both sides therefore guard what they expose: the plugin its entries, the host its
//! callbacks.

#![allow(unsafe_code, reason = "projects pins and drops in place, each with its SAFETY")]

use std::{
    any::Any,
    fmt,
    future::Future,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    abi::{ErrorKind, FfiReply, FfiResult, Level, PluginError, cross, cross_async},
    forward::{self, panic_text},
};

/// Runs `call`; a panic in it becomes an error of kind [`ErrorKind::PANIC`] that names `entry`.
pub fn guard<T>(entry: &str, call: impl FnOnce() -> Result<T, PluginError>) -> FfiResult<T> {
    cross(catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(caught(panic, entry))))
}

/// Guards a future like [`guard`]: its creation, each poll, and its drop.
pub fn guard_async<T, F>(entry: &'static str, make: impl FnOnce() -> F) -> FfiReply<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, PluginError>> + Send + 'static,
{
    let future = catch_unwind(AssertUnwindSafe(make)).map_err(|panic| caught(panic, entry));
    cross_async(async move {
        match future {
            Ok(future) => Guarded { future: Some(CatchDrop::new(future)), entry }.await,
            Err(error) => cross(Err(error)),
        }
    })
}

/// A value whose destructor catches its panics.
#[derive(Debug)]
pub struct CatchDrop<T>(ManuallyDrop<T>);

impl<T> CatchDrop<T> {
    /// Guards the destructor of `value`.
    pub fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for CatchDrop<T> {
    fn drop(&mut self) {
        let value = &mut self.0;
        // SAFETY: this is the destructor, which runs once, and nothing reads the value after it.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(value) }));
        if let Err(panic) = dropped {
            forward::write(Level(1), "panic", caught(panic, "drop").message());
        }
    }
}

struct Guarded<F> {
    future: Option<CatchDrop<F>>,
    entry: &'static str,
}

impl<F> fmt::Debug for Guarded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("entry", &self.entry).finish_non_exhaustive()
    }
}

impl<T, F: Future<Output = Result<T, PluginError>>> Future for Guarded<F> {
    type Output = FfiResult<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the future inside is not moved: it is polled in place, and set to None only
        // after a panic, which drops it in place.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(future) = this.future.as_mut() else {
            let message = format!("{} was polled after it panicked", this.entry);
            return Poll::Ready(cross(Err(PluginError::new(ErrorKind::PANIC, message))));
        };
        // SAFETY: as above; the CatchDrop stays where it is until it is dropped.
        let pinned = unsafe { Pin::new_unchecked(&mut *future.0) };
        match catch_unwind(AssertUnwindSafe(|| pinned.poll(cx))) {
            Ok(poll) => poll.map(cross),
            Err(panic) => {
                let error = caught(panic, this.entry);
                this.future = None;
                Poll::Ready(cross(Err(error)))
            }
        }
    }
}

fn caught(panic: Box<dyn Any + Send>, entry: &str) -> PluginError {
    let message = format!("panicked in {entry}: {}", panic_text(&*panic));
    // The payload's own destructor may panic too; such a payload is leaked.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(second);
    }
    PluginError::new(ErrorKind::PANIC, message)
}
