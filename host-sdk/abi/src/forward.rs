//! Forwards a plugin's `tracing` events, and its panics, to the host's subscriber.
//!
//! Each loaded library has its own copy of `tracing`, and installs its own forwarder when its first
//! instance is created. Spans are not forwarded; the events in them are.

use std::{
    any::Any,
    fmt::{Debug, Write as _},
    panic::PanicHookInfo,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing_core::{
    Dispatch, Event, Metadata, Subscriber, dispatcher,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

use crate::abi::{HostHandle, Level};

/// The host that this library logs to: that of the instance created last. Creating an instance writes it;
/// logging copies the handle out, so that no lock is held while the host writes.
static HOST: OnceLock<RwLock<Arc<HostHandle>>> = OnceLock::new();

/// Sends this library's log to `host` from now on.
pub(crate) fn install(host: &Arc<HostHandle>) {
    let mut first = false;
    let slot = HOST.get_or_init(|| {
        first = true;
        RwLock::new(host.clone())
    });
    if first {
        // A library that has set a subscriber of its own keeps it.
        let _ = dispatcher::set_global_default(Dispatch::new(Forward(AtomicU64::new(1))));
        std::panic::set_hook(Box::new(log_panic));
    } else {
        *slot.write().unwrap_or_else(PoisonError::into_inner) = host.clone();
    }
}

/// Writes a line to the host's log, if a host is installed.
pub(crate) fn write(level: Level, target: &str, message: &str) {
    with_host(|host| host.log(level, target.into(), message.into()));
}

fn with_host<T>(ask: impl FnOnce(&HostHandle) -> T) -> Option<T> {
    let host = HOST.get()?.read().unwrap_or_else(PoisonError::into_inner).clone();
    Some(ask(&host))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let mut line = panic_text(panic.payload()).to_owned();
    if let Some(location) = panic.location() {
        let _ = write!(line, " at {location}");
    }
    write(Level(1), "panic", &line);
}

/// The message of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the payload of the panic is not text")
}

struct Forward(AtomicU64);

impl Subscriber for Forward {
    // The host is asked for each event: its filter, and the host itself, may change.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        with_host(|host| host.log_enabled(level(metadata), metadata.target().into()))
            .unwrap_or(false)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        write(level(event.metadata()), event.metadata().target(), &line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            // The message comes first even if a field was recorded before it.
            let fields = std::mem::take(&mut self.0);
            write!(self.0, "{value:?}{fields}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
}

fn level(metadata: &Metadata<'_>) -> Level {
    use tracing_core::Level as Tracing;
    Level(match *metadata.level() {
        Tracing::ERROR => 1,
        Tracing::WARN => 2,
        Tracing::INFO => 3,
        Tracing::DEBUG => 4,
        _ => 5,
    })
}
